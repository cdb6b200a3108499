//! IP addresses and networks, and the addresses of network cards.

use super::wire::{Malformed, Reader, exactly, kind_of};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyType};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `PGSQL_AF_INET` and `PGSQL_AF_INET6`.
const IPV4: u8 = 2;
const IPV6: u8 = 3;

/// An address with the length of its network's prefix.
pub(super) struct Network {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

impl Network {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (family, prefix, _is_cidr) = (reader.u8()?, reader.u8()?, reader.u8()?);
        let length = usize::from(reader.u8()?);
        let address = reader.take(length)?;
        reader.end()?;
        let address = match family {
            IPV4 => IpAddr::from(Ipv4Addr::from(exactly::<4>(address)?)),
            IPV6 => IpAddr::from(Ipv6Addr::from(exactly::<16>(address)?)),
            _ => return Err(Malformed("an unknown family of addresses")),
        };
        let network = Self { address, prefix };
        if prefix > network.prefix_max() {
            return Err(Malformed("a prefix longer than its address"));
        }
        Ok(network)
    }

    /// What a plain text says; `None` for all that is not that simple.
    fn read(text: &str, is_cidr: bool) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let mut network = Self { address, prefix: 0 };
        network.prefix = match prefix {
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                prefix.parse().ok()?
            }
            Some(_) => return None,
            None => network.prefix_max(),
        };
        let bits = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        let host_bits = bits.checked_shl(network.prefix.into()).unwrap_or(0);
        let is_fine = network.prefix <= network.prefix_max() && (!is_cidr || host_bits == 0);
        is_fine.then_some(network)
    }

    fn put(&self, is_cidr: bool, out: &mut BytesMut) {
        let head = |family, length| [family, self.prefix, is_cidr.into(), length];
        match self.address {
            IpAddr::V4(address) => {
                out.put_slice(&head(IPV4, 4));
                out.put_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                out.put_slice(&head(IPV6, 16));
                out.put_slice(&address.octets());
            }
        }
    }

    pub(super) fn prefix_max(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The name of the Python class: an inet is an address or an interface, a cidr a network.
    fn class(&self, is_cidr: bool) -> usize {
        let kind = if is_cidr {
            2
        } else {
            usize::from(self.prefix != self.prefix_max())
        };
        kind * 2 + usize::from(self.address.is_ipv6())
    }
}

const CLASSES: [&str; 6] = [
    "IPv4Address",
    "IPv6Address",
    "IPv4Interface",
    "IPv6Interface",
    "IPv4Network",
    "IPv6Network",
];

/// An inet, or a cidr.
pub(super) fn decode<'py>(
    py: Python<'py>,
    bytes: &[u8],
    is_cidr: bool,
) -> PyResult<Bound<'py, PyAny>> {
    static KNOWN: [PyOnceLock<Py<PyType>>; 6] = [const { PyOnceLock::new() }; 6];
    let network = Network::parse(bytes)?;
    let index = network.class(is_cidr);
    let class = KNOWN[index].import(py, "ipaddress", CLASSES[index])?;
    let packed = match network.address {
        IpAddr::V4(address) => PyBytes::new(py, &address.octets()),
        IpAddr::V6(address) => PyBytes::new(py, &address.octets()),
    };
    if index < 2 {
        class.call1((packed,))
    } else {
        class.call1(((packed, network.prefix),))
    }
}

/// Takes what the module ipaddress makes, and texts that it reads.
pub(super) fn encode(value: &Bound<'_, PyAny>, out: &mut BytesMut, is_cidr: bool) -> PyResult<()> {
    let py = value.py();
    let read;
    let value = if let Ok(text) = value.cast::<PyString>() {
        if let Some(network) = Network::read(text.to_str()?, is_cidr) {
            network.put(is_cidr, out);
            return Ok(());
        }
        // Masks and scopes, and what is wrong with a text, are Python's to say.
        let reader = ["ip_interface", "ip_network"][usize::from(is_cidr)];
        read = py.import("ipaddress")?.call_method1(reader, (value,))?;
        &read
    } else {
        value
    };
    let Some(version) = value.getattr_opt(pyo3::intern!(py, "version"))? else {
        return Err(PyTypeError::new_err(format!(
            "expected str or an object of the module ipaddress, got {}",
            kind_of(value)
        )));
    };
    let is_ipv4 = version.eq(4)?;
    let whole = if is_ipv4 { 32 } else { 128 };
    // A network has both, an interface its network, an address neither.
    let (prefix, address) = match value.getattr_opt(pyo3::intern!(py, "network_address"))? {
        Some(address) => (value.getattr("prefixlen")?.extract()?, address),
        None => match value.getattr_opt(pyo3::intern!(py, "network"))? {
            Some(network) => (network.getattr("prefixlen")?.extract()?, value.clone()),
            None => (whole, value.clone()),
        },
    };
    let packed = address.getattr(pyo3::intern!(py, "packed"))?;
    let packed = packed.cast::<PyBytes>()?.as_bytes();
    out.put_u8(if is_ipv4 { IPV4 } else { IPV6 });
    out.put_u8(prefix);
    out.put_u8(is_cidr.into());
    out.put_u8(if is_ipv4 { 4 } else { 16 });
    out.put_slice(packed);
    Ok(())
}

/// `08:00:2b:01:02:03`.
pub(super) fn write_mac(bytes: &[u8], length: usize, out: &mut String) -> Result<(), Malformed> {
    if bytes.len() != length {
        return Err(Malformed("wrong length"));
    }
    for (index, byte) in bytes.iter().enumerate() {
        let colon = if index > 0 { ":" } else { "" };
        let _ = write!(out, "{colon}{byte:02x}");
    }
    Ok(())
}

/// Reads every form that PostgreSQL reads: digits in pairs, parted by `:`, `-` and `.` or not.
pub(super) fn put_mac(value: &Bound<'_, PyAny>, length: usize, out: &mut BytesMut) -> PyResult<()> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(super::wire::expected("str", value));
    };
    let text = text.to_str()?;
    let problem = || PyValueError::new_err(format!("invalid MAC address: '{text}'"));
    let parted = |byte: u8| matches!(byte, b':' | b'-' | b'.');
    let digits: Vec<u8> = text.trim().bytes().filter(|&byte| !parted(byte)).collect();
    let mut bytes = Vec::with_capacity(length);
    for pair in digits.chunks(2) {
        let pair = std::str::from_utf8(pair).map_err(|_| problem())?;
        if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(problem());
        }
        bytes.push(u8::from_str_radix(pair, 16).map_err(|_| problem())?);
    }
    if length == 8 && bytes.len() == 6 {
        // EUI-48 in EUI-64.
        bytes.splice(3..3, [0xFF, 0xFE]);
    }
    if bytes.len() != length {
        return Err(problem());
    }
    out.put_slice(&bytes);
    Ok(())
}

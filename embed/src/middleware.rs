//! What `fasterapi.middleware._native` describes, as layers that the runtime runs.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyAny;
use runtime::middleware::{
    Chain, Coding, Compression, CompressionOptions, Cors, CorsOptions, Layer, TrustedHost,
};

/// The chain that a plan's `middleware` lists, the outermost first; `None` when it is empty.
///
/// # Errors
/// `ValueError` that names the middleware, when a value cannot be used.
pub(crate) fn chain_of(described: &Bound<'_, PyAny>) -> PyResult<Option<Chain>> {
    let mut layers = Vec::new();
    for options in described.try_iter()? {
        let options = options?;
        let kind: String = options.get_item("kind")?.extract()?;
        let layer = layer(&kind, &options).map_err(|error| {
            let wrong = error.value(options.py()).to_string();
            PyValueError::new_err(format!("{}: {wrong}", class_of(&kind)))
        })?;
        layers.push(layer);
    }
    Ok(Chain::new(layers))
}

fn class_of(kind: &str) -> &str {
    match kind {
        "cors" => "CORSMiddleware",
        "compression" => "CompressionMiddleware or GZipMiddleware",
        "trusted_host" => "TrustedHostMiddleware",
        "https_redirect" => "HTTPSRedirectMiddleware",
        other => other,
    }
}

fn layer(kind: &str, options: &Bound<'_, PyAny>) -> PyResult<Layer> {
    match kind {
        "cors" => Ok(Layer::Cors(cors(options)?)),
        "compression" => Ok(Layer::Compression(compression(options)?)),
        "trusted_host" => {
            let hosts: Vec<String> = get(options, "allowed_hosts")?;
            let www_redirect: bool = get(options, "www_redirect")?;
            Ok(Layer::TrustedHost(TrustedHost::new(&hosts, www_redirect)))
        }
        "https_redirect" => Ok(Layer::HttpsRedirect),
        _ => Err(PyValueError::new_err("this server does not know it")),
    }
}

fn cors(options: &Bound<'_, PyAny>) -> PyResult<Cors> {
    Cors::new(CorsOptions {
        origins: get(options, "allow_origins")?,
        origin_pattern: get(options, "allow_origin_regex")?,
        methods: get(options, "allow_methods")?,
        headers: get(options, "allow_headers")?,
        all_headers: get(options, "allow_all_headers")?,
        credentials: get(options, "allow_credentials")?,
        private_network: get(options, "allow_private_network")?,
        simple_fields: get(options, "simple_headers")?,
        preflight_fields: get(options, "preflight_headers")?,
    })
    .map_err(|wrong| PyValueError::new_err(format!("allow_origin_regex: {wrong}")))
}

fn compression(options: &Bound<'_, PyAny>) -> PyResult<Compression> {
    let mut codings = Vec::new();
    for (name, level) in get::<Vec<(String, u32)>>(options, "codings")? {
        let Some(coding) = Coding::named(&name) else {
            let wrong = format!("{name:?} is no coding; use \"gzip\", \"br\" or \"zstd\"");
            return Err(PyValueError::new_err(wrong));
        };
        codings.push((coding, level));
    }
    Compression::new(CompressionOptions {
        minimum_bytes: get(options, "minimum_size")?,
        codings,
        excluded_types: get(options, "exclude_content_types")?,
    })
    .map_err(|coding| {
        let levels = match coding {
            Coding::Gzip => "0 to 9",
            Coding::Brotli => "0 to 11",
            Coding::Zstd => "1 to 22",
        };
        PyValueError::new_err(format!("the level of {} is {levels}", coding.name()))
    })
}

/// One option; a value of another type is named with the option it is of.
fn get<T: for<'a> FromPyObject<'a, 'a, Error: Into<PyErr>>>(
    options: &Bound<'_, PyAny>,
    name: &str,
) -> PyResult<T> {
    let value = options.get_item(name)?;
    let taken = value.extract().map_err(Into::into);
    taken.map_err(|error: PyErr| {
        let wrong = error.value(options.py()).to_string();
        PyValueError::new_err(format!("{name}: {wrong}"))
    })
}

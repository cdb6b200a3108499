//! What the less common Python types look like in JSON.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

/// What stands for an object.
pub(crate) enum Rendered<'py> {
    /// A string.
    Text(String),
    /// A number, of any size.
    Int(Bound<'py, PyAny>),
    /// A number.
    Float(f64),
    /// Another object, to be written in its place.
    Object(Bound<'py, PyAny>),
}

/// Standard-library types that are imported when the first unusual object appears.
struct Known {
    enumeration: Py<PyType>,
    date: Py<PyType>,
    time: Py<PyType>,
    timedelta: Py<PyType>,
    decimal: Py<PyType>,
    uuid: Py<PyType>,
    path: Py<PyType>,
    pattern: Py<PyType>,
    collections: Vec<Py<PyType>>,
}

static KNOWN: PyOnceLock<Known> = PyOnceLock::new();

impl Known {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        KNOWN.get_or_try_init(py, || {
            let class = |module: &str, name: &str| -> PyResult<Py<PyType>> {
                Ok(py
                    .import(module)?
                    .getattr(name)?
                    .cast_into::<PyType>()?
                    .unbind())
            };
            Ok(Self {
                enumeration: class("enum", "Enum")?,
                date: class("datetime", "date")?,
                time: class("datetime", "time")?,
                timedelta: class("datetime", "timedelta")?,
                decimal: class("decimal", "Decimal")?,
                uuid: class("uuid", "UUID")?,
                path: class("pathlib", "PurePath")?,
                pattern: class("re", "Pattern")?,
                collections: vec![
                    class("builtins", "set")?,
                    class("builtins", "frozenset")?,
                    class("collections", "deque")?,
                    class("types", "GeneratorType")?,
                    class("builtins", "map")?,
                    class("builtins", "filter")?,
                    class("collections.abc", "KeysView")?,
                    class("collections.abc", "ValuesView")?,
                ],
            })
        })
    }
}

/// Finds what stands for `object` in JSON, as FastAPI's `jsonable_encoder` decides it.
///
/// # Errors
/// `ValueError` for an object without any such form, and what its own methods raise.
pub(crate) fn render_other<'py>(object: &Bound<'py, PyAny>) -> PyResult<Rendered<'py>> {
    let py = object.py();
    let known = Known::get(py)?;
    if object.is_instance(known.enumeration.bind(py))? {
        return Ok(Rendered::Object(object.getattr("value")?));
    }
    if let Some(plain) = subclass_of_plain(object)? {
        return Ok(plain);
    }
    if object.is_instance(known.date.bind(py))? || object.is_instance(known.time.bind(py))? {
        return Ok(Rendered::Object(object.call_method0("isoformat")?));
    }
    if object.is_instance(known.timedelta.bind(py))? {
        return Ok(Rendered::Float(
            object.call_method0("total_seconds")?.extract()?,
        ));
    }
    if object.is_instance(known.decimal.bind(py))? {
        return decimal(object);
    }
    if object.is_instance(known.uuid.bind(py))? || object.is_instance(known.path.bind(py))? {
        return Ok(Rendered::Text(object.str()?.to_str()?.to_owned()));
    }
    if object.is_instance(known.pattern.bind(py))? {
        return Ok(Rendered::Object(object.getattr("pattern")?));
    }
    if object.get_type().module()? == "ipaddress" {
        // Addresses, networks and interfaces; whoever has one has imported the module.
        return Ok(Rendered::Text(object.str()?.to_str()?.to_owned()));
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        let text = std::str::from_utf8(bytes.as_bytes());
        return text
            .map(|text| Rendered::Text(text.to_owned()))
            .map_err(|error| {
                PyValueError::new_err(format!("bytes that are not UTF-8 cannot be JSON: {error}"))
            });
    }
    for collection in &known.collections {
        if object.is_instance(collection.bind(py))? {
            return Ok(Rendered::Object(py.get_type::<PyList>().call1((object,))?));
        }
    }
    fields_of(object)
}

/// Subclasses of `str`, `int`, `float`, `dict`, `list` and `tuple` are written as those.
fn subclass_of_plain<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Rendered<'py>>> {
    let py = object.py();
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Some(Rendered::Text(text.to_str()?.to_owned())));
    }
    if object.cast::<PyInt>().is_ok() {
        return Ok(Some(Rendered::Int(
            py.get_type::<PyInt>().call1((object,))?,
        )));
    }
    if let Ok(float) = object.cast::<PyFloat>() {
        return Ok(Some(Rendered::Float(float.value())));
    }
    if object.cast::<PyDict>().is_ok() {
        return Ok(Some(Rendered::Object(
            py.get_type::<PyDict>().call1((object,))?,
        )));
    }
    if object.cast::<PyList>().is_ok() || object.cast::<PyTuple>().is_ok() {
        return Ok(Some(Rendered::Object(
            py.get_type::<PyList>().call1((object,))?,
        )));
    }
    Ok(None)
}

/// An integer where the exponent says so, else a float.
fn decimal<'py>(object: &Bound<'py, PyAny>) -> PyResult<Rendered<'py>> {
    let exponent = object.call_method0("as_tuple")?.getattr("exponent")?;
    if exponent
        .extract::<i64>()
        .is_ok_and(|exponent| exponent >= 0)
    {
        let int = object.py().get_type::<PyInt>().call1((object,))?;
        return Ok(Rendered::Int(int));
    }
    Ok(Rendered::Float(
        object.call_method0("__float__")?.extract()?,
    ))
}

/// Models, dataclasses and objects with attributes are written as mappings.
fn fields_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Rendered<'py>> {
    let py = object.py();
    if let Ok(dump) = object.getattr("model_dump") {
        let options = PyDict::new(py);
        options.set_item("mode", "json")?;
        options.set_item("by_alias", true)?;
        return Ok(Rendered::Object(dump.call((), Some(&options))?));
    }
    if let Ok(fields) = object.getattr("__dataclass_fields__")
        && let Ok(fields) = fields.cast_into::<PyDict>()
    {
        let dict = PyDict::new(py);
        for name in fields.keys() {
            let name = name.cast_into::<PyString>()?;
            dict.set_item(&name, object.getattr(&name)?)?;
        }
        return Ok(Rendered::Object(dict.into_any()));
    }
    let mapping = py.get_type::<PyDict>().call1((object,));
    if let Ok(dict) = mapping {
        return Ok(Rendered::Object(dict));
    }
    if let Ok(attributes) = object.getattr("__dict__") {
        return Ok(Rendered::Object(
            py.get_type::<PyDict>().call1((attributes,))?,
        ));
    }
    let kind = object.get_type().fully_qualified_name()?;
    Err(PyValueError::new_err(format!(
        "{kind} has no JSON form: return a dict, a list, a str, a number or a Response"
    )))
}

//! What the less common Python types look like in JSON, as FastAPI's `jsonable_encoder` has it.

use crate::type_cache::TypeCache;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

/// What stands for an object.
pub(crate) enum Rendered<'py> {
    /// A string.
    Text(String),
    /// JSON.
    Json(Bound<'py, PyBytes>),
    /// A number, of any size.
    Int(Bound<'py, PyAny>),
    /// A number.
    Float(f64),
    /// Another object, to be written in its place.
    Object(Bound<'py, PyAny>),
}

/// How the instances of a type are written.
enum Form {
    /// A pydantic model: its serialiser's `to_json`.
    Model(Py<PyAny>),
    /// A pydantic model whose class has its own way to dump it.
    DumpedModel,
    /// A dataclass: the names of its fields.
    Dataclass(Py<PyTuple>),
    /// The attribute of that name.
    Attribute(Py<PyString>),
    /// What the method of that name returns.
    Method(Py<PyString>),
    /// `str(object)`.
    Text,
    Null,
    /// A subclass of `str`, `int`, `float` or `dict`.
    SubStr,
    SubInt,
    SubFloat,
    SubDict,
    /// Its items.
    Items,
    Decimal,
    Bytes,
    /// Whatever `dict(object)` makes of it, or its attributes.
    Other,
}

static FORMS: TypeCache<Form> = TypeCache::new();

/// Finds what stands for `object` in JSON.
///
/// # Errors
/// `ValueError` for an object without any such form, and what its own methods raise.
pub(crate) fn render_other<'py>(object: &Bound<'py, PyAny>) -> PyResult<Rendered<'py>> {
    let py = object.py();
    let class = object.get_type();
    let form = FORMS.get(&class, || decide(&class))?;
    let whole = |kind: Bound<'py, PyType>| kind.call1((object,));
    Ok(match &*form {
        Form::Model(to_json) => Rendered::Json(model_json(object, to_json)?),
        Form::DumpedModel => Rendered::Object(dumped_model(object)?),
        Form::Dataclass(names) => Rendered::Object(dataclass(object, names.bind(py))?),
        Form::Attribute(name) => Rendered::Object(object.getattr(name.bind(py))?),
        Form::Method(name) => Rendered::Object(object.call_method0(name.bind(py))?),
        Form::Text => Rendered::Text(object.str()?.to_str()?.to_owned()),
        Form::Null => Rendered::Object(py.None().into_bound(py)),
        Form::SubStr => Rendered::Text(object.cast::<PyString>()?.to_str()?.to_owned()),
        Form::SubInt => Rendered::Int(whole(py.get_type::<PyInt>())?),
        Form::SubFloat => Rendered::Float(object.cast::<PyFloat>()?.value()),
        Form::SubDict => Rendered::Object(whole(py.get_type::<PyDict>())?),
        Form::Items => Rendered::Object(whole(py.get_type::<PyList>())?),
        Form::Decimal => decimal(object)?,
        Form::Bytes => Rendered::Text(utf8(object.cast::<PyBytes>()?.as_bytes())?),
        Form::Other if passes_for_text(object, &class)? => {
            Rendered::Text(object.str()?.to_str()?.to_owned())
        }
        Form::Other => Rendered::Object(fields_of(object)?),
    })
}

/// Whether `isinstance` takes the object for one of a class that is written as text: a driver's
/// own UUID may say that it is one.
fn passes_for_text(object: &Bound<'_, PyAny>, class: &Bound<'_, PyType>) -> PyResult<bool> {
    let said = object.getattr(pyo3::intern!(object.py(), "__class__"))?;
    match said.cast_into::<PyType>() {
        Ok(said) if !said.is(class) => Ok(matches!(decide(&said)?, Form::Text)),
        _ => Ok(false),
    }
}

/// Makes the form of a type.
type FormOf = fn(Python<'_>) -> Form;

/// Standard-library types that are imported when the first unusual object appears, and their
/// forms, in the order in which FastAPI asks.
struct Known {
    forms: Vec<(Py<PyType>, FormOf)>,
}

impl Known {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static KNOWN: PyOnceLock<Known> = PyOnceLock::new();
        KNOWN.get_or_try_init(py, || {
            let mut forms = Vec::with_capacity(STANDARD.len());
            for (module, name, form) in STANDARD {
                let class = py.import(*module)?.getattr(*name)?;
                forms.push((class.cast_into::<PyType>()?.unbind(), *form));
            }
            Ok(Self { forms })
        })
    }
}

fn attribute(py: Python<'_>, name: &str) -> Form {
    Form::Attribute(PyString::intern(py, name).unbind())
}

fn method(py: Python<'_>, name: &str) -> Form {
    Form::Method(PyString::intern(py, name).unbind())
}

const STANDARD: &[(&str, &str, FormOf)] = &[
    ("enum", "Enum", |py| attribute(py, "value")),
    ("pathlib", "PurePath", |_| Form::Text),
    ("builtins", "str", |_| Form::SubStr),
    ("builtins", "int", |_| Form::SubInt),
    ("builtins", "float", |_| Form::SubFloat),
    ("builtins", "dict", |_| Form::SubDict),
    ("builtins", "list", |_| Form::Items),
    ("builtins", "tuple", |_| Form::Items),
    ("builtins", "set", |_| Form::Items),
    ("builtins", "frozenset", |_| Form::Items),
    ("collections", "deque", |_| Form::Items),
    ("types", "GeneratorType", |_| Form::Items),
    ("builtins", "bytes", |_| Form::Bytes),
    ("datetime", "date", |py| method(py, "isoformat")),
    ("datetime", "time", |py| method(py, "isoformat")),
    ("datetime", "timedelta", |py| method(py, "total_seconds")),
    ("decimal", "Decimal", |_| Form::Decimal),
    ("uuid", "UUID", |_| Form::Text),
    ("re", "Pattern", |py| attribute(py, "pattern")),
    ("builtins", "map", |_| Form::Items),
    ("builtins", "filter", |_| Form::Items),
    ("collections.abc", "KeysView", |_| Form::Items),
    ("collections.abc", "ValuesView", |_| Form::Items),
];

/// Types of optional modules whose instances are written as `str(object)`: whoever has one has
/// imported the module.
const TEXT_ELSEWHERE: &[(&str, &[&str])] = &[
    (
        "ipaddress",
        &["_BaseAddress", "_BaseNetwork", "_IPAddressBase"],
    ),
    (
        "pydantic.types",
        &["SecretStr", "SecretBytes", "_SecretBase", "_SecretField"],
    ),
    (
        "pydantic.networks",
        &["_BaseUrl", "_BaseMultiHostUrl", "AnyUrl", "NameEmail"],
    ),
    ("pydantic_core._pydantic_core", &["Url", "MultiHostUrl"]),
    ("pydantic_core", &["Url", "MultiHostUrl"]),
    ("pydantic.color", &["Color"]),
    ("pydantic_extra_types.color", &["Color"]),
];

fn decide(class: &Bound<'_, PyType>) -> PyResult<Form> {
    let py = class.py();
    if let Some(form) = model_form(class)? {
        return Ok(form);
    }
    if class.hasattr(pyo3::intern!(py, "__dataclass_fields__"))? {
        return dataclass_form(class);
    }
    for (known, form) in &Known::get(py)?.forms {
        if class.is_subclass(known.bind(py))? {
            return Ok(form(py));
        }
    }
    for base in class.mro() {
        let base = base.cast_into::<PyType>()?;
        let (module, name) = (base.module()?, base.name()?);
        let (module, name) = (module.to_str()?, name.to_str()?);
        if name == "PydanticUndefinedType" {
            return Ok(Form::Null);
        }
        let named = |(known, names): &(&str, &[&str])| *known == module && names.contains(&name);
        if TEXT_ELSEWHERE.iter().any(named) {
            return Ok(Form::Text);
        }
    }
    Ok(Form::Other)
}

/// For a pydantic model, how it is dumped.
fn model_form(class: &Bound<'_, PyType>) -> PyResult<Option<Form>> {
    let py = class.py();
    let Some(dump) = class.getattr_opt(pyo3::intern!(py, "model_dump"))? else {
        return Ok(None);
    };
    let is = |value: Option<Bound<'_, PyAny>>, text: &str| {
        value.is_some_and(|value| value.eq(text).unwrap_or(false))
    };
    let is_stock = is(dump.getattr_opt("__module__")?, "pydantic.main");
    let constants = match class.getattr_opt("model_config")? {
        Some(config) => is(config.get_item("ser_json_inf_nan").ok(), "constants"),
        None => false,
    };
    // A class that is not complete yet has a stand-in for its serialiser, and one that writes
    // `NaN` would write no JSON.
    let serializer = class
        .getattr_opt("__pydantic_serializer__")?
        .filter(|serializer| {
            let kind = serializer.get_type().name();
            is_stock && !constants && kind.is_ok_and(|name| name == "SchemaSerializer")
        });
    Ok(Some(match serializer {
        Some(serializer) => Form::Model(serializer.getattr("to_json")?.unbind()),
        None => Form::DumpedModel,
    }))
}

fn dataclass_form(class: &Bound<'_, PyType>) -> PyResult<Form> {
    let py = class.py();
    let fields = py
        .import("dataclasses")?
        .call_method1("fields", (class,))?
        .try_iter()?
        .map(|field| field?.getattr("name"));
    let names = PyTuple::new(py, fields.collect::<PyResult<Vec<_>>>()?)?;
    Ok(Form::Dataclass(names.unbind()))
}

/// The model's JSON, by alias.
fn model_json<'py>(
    object: &Bound<'py, PyAny>,
    to_json: &Py<PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    static OPTIONS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let py = object.py();
    let options = OPTIONS.get_or_try_init(py, || -> PyResult<Py<PyDict>> {
        let options = PyDict::new(py);
        options.set_item("by_alias", true)?;
        Ok(options.unbind())
    })?;
    let json = to_json.bind(py).call((object,), Some(options.bind(py)))?;
    Ok(json.cast_into::<PyBytes>()?)
}

/// The model in plain Python types, by alias.
fn dumped_model<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let options = PyDict::new(py);
    options.set_item("mode", "json")?;
    options.set_item("by_alias", true)?;
    // The others of FastAPI's call, for methods that name them all.
    for name in ["exclude_unset", "exclude_defaults", "exclude_none"] {
        options.set_item(name, false)?;
    }
    options.set_item("include", py.None())?;
    options.set_item("exclude", py.None())?;
    object.call_method(pyo3::intern!(py, "model_dump"), (), Some(&options))
}

fn dataclass<'py>(
    object: &Bound<'py, PyAny>,
    names: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let dict = PyDict::new(object.py());
    for name in names {
        let name = name.cast_into::<PyString>()?;
        dict.set_item(&name, object.getattr(&name)?)?;
    }
    Ok(dict.into_any())
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

fn utf8(bytes: &[u8]) -> PyResult<String> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|error| {
            PyValueError::new_err(format!("bytes that are not UTF-8 cannot be JSON: {error}"))
        })
}

/// Mappings, pairs and objects with attributes are written as mappings.
fn fields_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if let Ok(dict) = py.get_type::<PyDict>().call1((object,)) {
        return Ok(dict);
    }
    if let Ok(attributes) = object.getattr(pyo3::intern!(py, "__dict__")) {
        return py.get_type::<PyDict>().call1((attributes,));
    }
    let kind = object.get_type().fully_qualified_name()?;
    Err(PyValueError::new_err(format!(
        "{kind} has no JSON form: return a dict, a list, a str, a number or a Response"
    )))
}

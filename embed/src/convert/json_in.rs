//! JSON text to Python objects, by jiter.

use jiter::{FloatMode, PartialMode, PythonParse, StringCacheMode, map_json_error};
use pyo3::prelude::*;

/// Parses one JSON value. `NaN` and infinities are accepted, as `json.loads` does.
///
/// # Errors
/// `ValueError` that tells what is wrong and where.
pub(crate) fn parse<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let parser = PythonParse {
        allow_inf_nan: true,
        cache_mode: StringCacheMode::Keys,
        partial_mode: PartialMode::Off,
        catch_duplicate_keys: false,
        float_mode: FloatMode::Float,
    };
    parser
        .python_parse(py, bytes)
        .map_err(|error| map_json_error(bytes, &error))
}

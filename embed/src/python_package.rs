//! The Python package inside the binary: modules as compiled code with their source.

use crate::python_module::core_module;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyModule};

/// One module of the package.
struct Embedded {
    name: &'static str,
    is_package: bool,
    source: &'static str,
    /// Marshalled code, made by the Python that the binary is built for.
    code: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/python_package.rs"));

/// Makes `import fasterapi` find the package of this binary, whatever else is installed.
///
/// # Errors
/// When the importer cannot be installed.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    let modules = PyDict::new(py);
    for module in MODULES {
        let code = PyBytes::new(py, module.code);
        modules.set_item(module.name, (module.is_package, module.source, code))?;
    }
    let importer =
        PyModule::from_code(py, IMPORTER, c"<fasterapi importer>", c"fasterapi_importer")?;
    let asset = wrap_pyfunction!(asset, py)?;
    importer.call_method1("install", (modules, asset))?;
    let core = PyModule::new(py, "fasterapi._core")?;
    core_module(&core)?;
    py.import("sys")?
        .getattr("modules")?
        .set_item("fasterapi._core", core)
}

/// The bytes of a file that the package needs besides its modules.
#[pyfunction]
fn asset<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyBytes>> {
    let (_, bytes) = ASSETS.iter().find(|(known, _)| *known == name)?;
    Some(PyBytes::new(py, bytes))
}

/// Finds and runs embedded modules.
const IMPORTER: &std::ffi::CStr = c"
import marshal, sys
from importlib.machinery import ModuleSpec


class EmbeddedPackage:
    def __init__(self, modules, asset):
        self.modules = modules
        self.asset = asset

    def find_spec(self, name, path=None, target=None):
        if name not in self.modules:
            return None
        is_package, _, _ = self.modules[name]
        spec = ModuleSpec(name, self, origin='<fasterapi>', is_package=is_package)
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name):
        return marshal.loads(self.modules[name][2])

    def get_source(self, name):
        return self.modules[name][1]

    def is_package(self, name):
        return self.modules[name][0]

    def get_data(self, path):
        data = self.asset(path.rpartition('/')[2])
        if data is None:
            raise FileNotFoundError(path)
        return data


def install(modules, asset):
    sys.meta_path.insert(0, EmbeddedPackage(modules, asset))
";

//! Links to libpython by its real place and packs the Python package into the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles one source file; printed on stdout as marshalled code.
const COMPILE: &str = "
import marshal, sys
name, path = sys.argv[1:]
with open(path, encoding='utf-8') as file:
    source = file.read()
code = compile(source, f'<fasterapi>/{name}', 'exec', dont_inherit=True)
sys.stdout.buffer.write(marshal.dumps(code))
";

/// Prints the interpreter that a virtual environment stands on; of any other, itself.
const BASE: &str = "import sys; print(sys._base_executable)";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PYO3_BUILD_EXTENSION_MODULE");
    pyo3_build_config::add_libpython_rpath_link_args();
    let config = pyo3_build_config::get();
    let python = config.executable().unwrap_or("python3");
    let version = config.version();
    println!(
        "cargo::rustc-env=FASTERAPI_PYTHON_VERSION={}.{}",
        version.major, version.minor
    );
    // An extension module finds Python running and the package beside itself.
    let is_extension = std::env::var_os("PYO3_BUILD_EXTENSION_MODULE").is_some();
    let base = if is_extension {
        String::new()
    } else {
        base_of(python)
    };
    println!("cargo::rustc-env=FASTERAPI_PYTHON={base}");
    let root = Path::new("python/fasterapi");
    println!("cargo::rerun-if-changed={}", root.display());
    let (sources, assets) = if is_extension {
        Default::default()
    } else {
        (sources(root), assets(&root.join("openapi/_assets")))
    };
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let table = pack_modules(root, python, &out, sources) + &pack_assets(&assets);
    std::fs::write(out.join("python_package.rs"), table).expect("OUT_DIR is writable");
}

/// The binary outlives the virtual environment that it was built in.
fn base_of(python: &str) -> String {
    let said = Command::new(python).args(["-I", "-c", BASE]).output();
    let said = said.expect("the Python that PyO3 found runs");
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

fn pack_modules(root: &Path, python: &str, out: &Path, sources: Vec<PathBuf>) -> String {
    let mut table = String::from("const MODULES: &[Embedded] = &[\n");
    for source in sources {
        let (name, is_package) = module_name(root, &source);
        let code = Command::new(python)
            .args(["-I", "-c", COMPILE, &name])
            .arg(&source)
            .output()
            .expect("the Python that PyO3 found runs");
        assert!(
            code.status.success(),
            "{}",
            String::from_utf8_lossy(&code.stderr)
        );
        let packed = out.join(format!("{name}.code"));
        std::fs::write(&packed, code.stdout).expect("OUT_DIR is writable");
        let source = source.canonicalize().expect("the source was just read");
        let _ = writeln!(
            table,
            "    Embedded {{ name: {name:?}, is_package: {is_package}, source: include_str!({source:?}), code: include_bytes!({packed:?}) }},"
        );
    }
    table.push_str("];\n");
    table
}

/// The files of the documentation pages, where `.ci/fetch_docs_assets.py` has put them.
fn assets(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn pack_assets(assets: &[PathBuf]) -> String {
    let mut table = String::from("const ASSETS: &[(&str, &[u8])] = &[\n");
    for asset in assets {
        let name = asset.file_name().unwrap_or_default().to_string_lossy();
        let path = asset.canonicalize().expect("the file was just listed");
        let _ = writeln!(table, "    ({name:?}, include_bytes!({path:?})),");
    }
    table.push_str("];\n");
    table
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)
        .expect("the package is there")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "py") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `python/fasterapi/a/__init__.py` is the package `fasterapi.a`.
fn module_name(root: &Path, source: &Path) -> (String, bool) {
    let inner = source
        .strip_prefix(root)
        .unwrap_or(source)
        .with_extension("");
    let mut parts = vec!["fasterapi".to_owned()];
    parts.extend(inner.iter().map(|part| part.to_string_lossy().into_owned()));
    let is_package = parts.last().is_some_and(|last| last == "__init__");
    if is_package {
        parts.pop();
    }
    (parts.join("."), is_package)
}

//! `_core.Record`: one row, read by position or by column name.

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyIterator, PyList, PySlice, PyString, PyTuple, PyType};
use std::cell::RefCell;
use std::sync::Arc;

/// What the rows of one statement have in common.
#[derive(Debug)]
pub(crate) struct Descriptor {
    names: Box<[Py<PyString>]>,
    /// Name to position; of two columns of one name the last counts.
    positions: Py<PyDict>,
    /// A subclass of `Record` that rows are made of; `None` for `Record` itself.
    class: Option<Py<PyType>>,
}

impl Descriptor {
    /// Describes rows with columns of these names, as instances of `class`.
    ///
    /// # Errors
    /// `TypeError` when `class` is no subclass of `Record`.
    pub(crate) fn new(
        py: Python<'_>,
        names: &[&str],
        class: Option<&Bound<'_, PyType>>,
    ) -> PyResult<Arc<Self>> {
        let record = py.get_type::<Record>();
        if let Some(class) = class
            && !class.is_subclass(&record)?
        {
            let problem = "record_class is expected to be a subclass of Record, got ";
            return Err(PyTypeError::new_err(format!("{problem}{}", class.repr()?)));
        }
        let positions = PyDict::new(py);
        let mut kept = Vec::with_capacity(names.len());
        for (position, name) in names.iter().enumerate() {
            // The keys that a program looks up are interned by the compiler: so they are found by
            // identity.
            let name = PyString::intern(py, name);
            positions.set_item(&name, position)?;
            kept.push(name.unbind());
        }
        Ok(Arc::new(Self {
            names: kept.into(),
            positions: positions.unbind(),
            class: class
                .filter(|class| !class.is(&record))
                .cloned()
                .map(Bound::unbind),
        }))
    }
}

thread_local! {
    /// What the instance of a subclass that is being made consists of: its class is called as
    /// Python would, which brings no arguments of ours.
    static PENDING: RefCell<Option<Record>> = const { RefCell::new(None) };
}

/// A row: a sequence of values that also knows its columns by name.
///
/// It compares, sorts and hashes as the tuple of its values. The garbage collector does not look
/// into it: values come from the server, so that none can lead back to its row.
#[pyclass(frozen, subclass, module = "fasterapi.pg")]
pub(crate) struct Record {
    descriptor: Arc<Descriptor>,
    values: Box<[Py<PyAny>]>,
}

impl Record {
    /// Makes the row of `values`, one for each column.
    pub(crate) fn create<'py>(
        py: Python<'py>,
        descriptor: &Arc<Descriptor>,
        values: Vec<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let record = Self {
            descriptor: descriptor.clone(),
            values: values.into(),
        };
        let Some(class) = &descriptor.class else {
            let record = Bound::new(py, record)?;
            // SAFETY: it is a live object of a class whose instances the collector may know, which
            // all of PyO3's are. It would visit the rows of a large result again and again, and
            // find nothing in them.
            unsafe { pyo3::ffi::PyObject_GC_UnTrack(record.as_ptr().cast()) };
            return Ok(record.into_any());
        };
        let class = class.bind(py);
        PENDING.with(|pending| pending.replace(Some(record)));
        let made = class.call_method1(pyo3::intern!(py, "__new__"), (class,));
        PENDING.with(RefCell::take);
        made
    }

    fn tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.values.iter())
    }

    fn position_of(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let positions = self.descriptor.positions.bind(key.py());
        positions
            .get_item(key)?
            .map(|found| found.extract())
            .transpose()
    }
}

#[pymethods]
impl Record {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        PENDING
            .with(RefCell::take)
            .ok_or_else(|| PyTypeError::new_err("cannot create 'Record' instances"))
    }

    fn __len__(&self) -> usize {
        self.values.len()
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        if key.is_exact_instance_of::<PyString>() {
            return match self.position_of(key)? {
                Some(position) => Ok(self.values[position].bind(py).clone()),
                None => Err(PyKeyError::new_err(key.clone().unbind())),
            };
        }
        if key.is_instance_of::<PySlice>() {
            return self.tuple(py)?.as_any().get_item(key);
        }
        if let Ok(position) = key.extract::<isize>() {
            let length = self.values.len().cast_signed();
            let position = if position < 0 {
                position + length
            } else {
                position
            };
            return usize::try_from(position)
                .ok()
                .and_then(|position| self.values.get(position))
                .map(|value| value.bind(py).clone())
                .ok_or_else(|| PyIndexError::new_err("record index out of range"));
        }
        match self.position_of(key)? {
            Some(position) => Ok(self.values[position].bind(py).clone()),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.position_of(key)?.is_some())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.tuple(py)?.try_iter()
    }

    fn __reversed__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static REVERSED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let reversed = REVERSED.import(py, "builtins", "reversed")?;
        reversed.call1((self.tuple(py)?,))
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.tuple(py)?.hash()
    }

    fn __richcmp__<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let own = self.tuple(py)?;
        if let Ok(other) = other.cast::<Self>() {
            return own.rich_compare(other.get().tuple(py)?, op);
        }
        if other.is_instance_of::<PyTuple>() {
            return own.rich_compare(other, op);
        }
        Ok(py.NotImplemented().into_bound(py))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let own = slf.get();
        let mut text = format!("<{}", slf.get_type().name()?);
        for (name, value) in own.descriptor.names.iter().zip(&own.values) {
            text.push_str(&format!(
                " {}={}",
                name.bind(py).to_str()?,
                value.bind(py).repr()?
            ));
        }
        text.push('>');
        Ok(text)
    }

    /// The value of the column `key`, or `default` where there is no such column.
    #[pyo3(signature = (key, default = None, /))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.position_of(key)? {
            Some(position) => Ok(Some(self.values[position].bind(key.py()).clone())),
            None => Ok(default),
        }
    }

    /// The names of the columns, in order.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.descriptor.names.iter())?.try_iter()
    }

    /// The values, in order.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.tuple(py)?.try_iter()
    }

    /// Pairs of name and value, in order.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let pairs = self.descriptor.names.iter().zip(&self.values);
        PyList::new(py, pairs.collect::<Vec<_>>())?.try_iter()
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(PyTypeError::new_err("cannot pickle 'Record' object"))
    }
}

/// Makes a `Record` by hand, for whoever tests code that is given rows.
///
/// `columns` are the names, `values` as many values. Raises `ValueError` when their numbers
/// differ, `TypeError` for a `record_class` that is none.
#[pyfunction]
#[pyo3(signature = (columns, values, *, record_class = None))]
pub(crate) fn make_record<'py>(
    py: Python<'py>,
    columns: Vec<String>,
    values: Vec<Py<PyAny>>,
    record_class: Option<&Bound<'py, PyType>>,
) -> PyResult<Bound<'py, PyAny>> {
    if columns.len() != values.len() {
        return Err(pyo3::exceptions::PyValueError::new_err(
            "there must be as many values as columns",
        ));
    }
    let names: Vec<_> = columns.iter().map(String::as_str).collect();
    let descriptor = Descriptor::new(py, &names, record_class)?;
    Record::create(py, &descriptor, values)
}

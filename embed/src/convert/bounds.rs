//! The bounds that a parameter may state for its value, worded as pydantic words them.

use crate::convert::parameter::{Context, Problem, Scalar};
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};
use serde_json::value::RawValue;

/// One side of a number's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ge,
    Gt,
    Le,
    Lt,
}

/// In the order in which pydantic looks at them.
const SIDES: [(&str, Side); 4] = [
    ("le", Side::Le),
    ("lt", Side::Lt),
    ("ge", Side::Ge),
    ("gt", Side::Gt),
];

impl Side {
    fn holds<T: PartialOrd>(self, value: &T, limit: &T) -> bool {
        match self {
            Self::Ge => value >= limit,
            Self::Gt => value > limit,
            Self::Le => value <= limit,
            Self::Lt => value < limit,
        }
    }

    fn operator(self) -> CompareOp {
        match self {
            Self::Ge => CompareOp::Ge,
            Self::Gt => CompareOp::Gt,
            Self::Le => CompareOp::Le,
            Self::Lt => CompareOp::Lt,
        }
    }

    /// The error's type, its words, and the name of the limit in its context.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ge => ("greater_than_equal", "greater than or equal to", "ge"),
            Self::Gt => ("greater_than", "greater than", "gt"),
            Self::Le => ("less_than_equal", "less than or equal to", "le"),
            Self::Lt => ("less_than", "less than", "lt"),
        }
    }
}

/// A limit, as it was written.
enum Limit {
    Int(i64),
    Float(f64),
    /// An integer of more than 64 bits.
    Large(Py<PyAny>),
}

impl Limit {
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if value.cast::<PyInt>().is_ok() || value.cast::<PyBool>().is_ok() {
            return Ok(match value.extract::<i64>() {
                Ok(small) => Self::Int(small),
                Err(_) => Self::Large(value.clone().unbind()),
            });
        }
        Ok(Self::Float(value.extract()?))
    }

    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Int(int) => int.into_pyobject(py)?.into_any(),
            Self::Float(float) => float.into_pyobject(py)?.into_any(),
            Self::Large(int) => int.bind(py).clone(),
        })
    }

    /// The limit in an error's context; `float` where the value is one.
    fn context(&self, py: Python<'_>, float: bool) -> Context {
        match self {
            Self::Int(int) if float => Context::Float(*int as f64),
            Self::Int(int) => Context::Int(*int),
            Self::Float(value) => Context::Float(*value),
            Self::Large(int) => {
                let digits = int.bind(py).to_string();
                RawValue::from_string(digits)
                    .map_or_else(|error| Context::Text(error.to_string()), Context::Large)
            }
        }
    }
}

/// What a parameter's value must be beyond its type.
#[derive(Default)]
pub(crate) struct Bounds {
    limits: Vec<(Side, Limit)>,
    min_length: Option<usize>,
    max_length: Option<usize>,
}

impl Bounds {
    /// Reads the bounds of a `ParameterPlan`; `None` when it has none.
    ///
    /// # Errors
    /// When a bound is no number.
    pub(crate) fn read(plan: &Bound<'_, PyAny>) -> PyResult<Option<Box<Self>>> {
        let stated = |name: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
            Ok(plan
                .getattr_opt(name)?
                .filter(|value: &Bound<'_, PyAny>| !value.is_none()))
        };
        let mut bounds = Self::default();
        for (name, side) in SIDES {
            if let Some(limit) = stated(name)? {
                bounds.limits.push((side, Limit::read(&limit)?));
            }
        }
        bounds.min_length = stated("min_length")?.map(|n| n.extract()).transpose()?;
        bounds.max_length = stated("max_length")?.map(|n| n.extract()).transpose()?;
        let any =
            !bounds.limits.is_empty() || bounds.min_length.is_some() || bounds.max_length.is_some();
        Ok(any.then(|| Box::new(bounds)))
    }

    /// Says what is wrong with a value, if anything is.
    pub(crate) fn check(&self, py: Python<'_>, value: &Scalar<'_, '_>) -> Result<(), Problem> {
        match value {
            Scalar::Text(text) => self.check_length(text),
            Scalar::Int(_) | Scalar::Large(_) | Scalar::Float(_) => self.check_limits(py, value),
            Scalar::Bool(_) | Scalar::Object(_) => Ok(()),
        }
    }

    fn check_limits(&self, py: Python<'_>, value: &Scalar<'_, '_>) -> Result<(), Problem> {
        let float = matches!(value, Scalar::Float(_));
        for (side, limit) in &self.limits {
            let holds = match (value, limit) {
                (Scalar::Int(value), Limit::Int(limit)) => side.holds(value, limit),
                (Scalar::Float(value), Limit::Float(limit)) => side.holds(value, limit),
                (Scalar::Float(value), Limit::Int(limit)) => side.holds(value, &(*limit as f64)),
                _ => compare(py, value, *side, limit).unwrap_or(false),
            };
            if !holds {
                let (kind, words, name) = side.words();
                let context = limit.context(py, float);
                return Err(Problem {
                    kind,
                    message: format!("Input should be {words} {}", context.shown()).into(),
                    context: Some((name, context)),
                });
            }
        }
        Ok(())
    }

    fn check_length(&self, text: &str) -> Result<(), Problem> {
        let length = || text.chars().count();
        let problem = |kind, words, name, limit: usize| Problem {
            kind,
            message: format!(
                "String should have {words} {limit} character{}",
                if limit == 1 { "" } else { "s" }
            )
            .into(),
            context: Some((name, Context::Int(i64::try_from(limit).unwrap_or(i64::MAX)))),
        };
        if let Some(min) = self.min_length
            && (text.len() < min || length() < min)
        {
            return Err(problem("string_too_short", "at least", "min_length", min));
        }
        if let Some(max) = self.max_length
            && text.len() > max
            && length() > max
        {
            return Err(problem("string_too_long", "at most", "max_length", max));
        }
        Ok(())
    }
}

/// Compares as Python does, where a machine number is not enough.
fn compare(py: Python<'_>, value: &Scalar<'_, '_>, side: Side, limit: &Limit) -> PyResult<bool> {
    let value = match value {
        Scalar::Int(int) => int.into_pyobject(py)?.into_any(),
        Scalar::Float(float) => float.into_pyobject(py)?.into_any(),
        Scalar::Large(int) => int.clone().into_any(),
        _ => return Ok(true),
    };
    value
        .rich_compare(limit.object(py)?, side.operator())?
        .is_truthy()
}

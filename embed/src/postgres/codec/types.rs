//! The types that a pool's connections know, and their codecs.

use super::array::ArrayCodec;
use super::composite::{CompositeCodec, Field};
use super::custom::{Custom, CustomCodec, CustomFormat, has_tuple_form};
use super::range::RangeCodec;
use super::{Codec, builtin};
use pyo3::exceptions::{PyKeyError, PyNotImplementedError};
use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

const ANYARRAY: u32 = 2277;
const RECORD: u32 = 2249;
/// Types within types, at most: PostgreSQL refuses a type that contains itself, but nobody knows
/// what a server says.
const DEPTH_MAX: u32 = 64;

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TypeKind {
    Base,
    Array {
        element: u32,
        delimiter: u8,
    },
    /// One of the system's arrays, which begin at 0.
    Vector(u32),
    Enum(Vec<String>),
    /// Of that type, with constraints.
    Domain(u32),
    Composite(Vec<(String, u32)>),
    /// By the type of its bounds.
    Range(u32),
    /// By its range type.
    Multirange(u32),
    /// By the type of its ranges' bounds.
    MultirangeOf(u32),
    Pseudo,
}

impl TypeKind {
    /// The types that this one is made of.
    fn parts(&self) -> Vec<u32> {
        match self {
            Self::Base | Self::Enum(_) | Self::Pseudo => Vec::new(),
            Self::Array { element: part, .. }
            | Self::Vector(part)
            | Self::Domain(part)
            | Self::Range(part)
            | Self::Multirange(part)
            | Self::MultirangeOf(part) => vec![*part],
            Self::Composite(fields) => fields.iter().map(|&(_, oid)| oid).collect(),
        }
    }
}

/// A type as the server's catalogue describes it.
#[derive(Clone, Debug)]
pub(crate) struct TypeInfo {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) kind: TypeKind,
}

/// Choices that hold for all types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypesOptions {
    /// json and jsonb are `str`, as with asyncpg.
    pub(crate) json_as_text: bool,
    /// Types of well-known extensions are recognised by their names.
    pub(crate) extensions: bool,
}

impl Default for TypesOptions {
    fn default() -> Self {
        Self {
            json_as_text: false,
            extensions: true,
        }
    }
}

/// The registry; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Types(Arc<Inner>);

/// A registry that its own codecs may hold.
#[derive(Clone, Debug)]
pub(crate) struct WeakTypes(Weak<Inner>);

#[derive(Debug, Default)]
struct Inner {
    options: TypesOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    added: HashMap<u32, TypeInfo>,
    overrides: HashMap<u32, Override>,
    codecs: HashMap<u32, Arc<Codec>>,
    generation: u64,
}

#[derive(Clone, Debug)]
enum Override {
    Custom(Arc<Custom>),
    /// The codec of another type.
    Other(Arc<Codec>),
}

impl WeakTypes {
    pub(super) fn codec(&self, oid: u32) -> Option<Arc<Codec>> {
        Types(self.0.upgrade()?).codec(oid)
    }
}

impl Types {
    pub(crate) fn new(options: TypesOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            state: Mutex::default(),
        }))
    }

    /// No Python code runs while the lock is held, so it is never waited for.
    fn lock<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.0.state.lock();
        let state = state.as_mut().map_or_else(
            |poisoned: &mut PoisonError<_>| &mut **poisoned.get_mut(),
            |state| &mut **state,
        );
        act(state)
    }

    /// The codec of a type; `None` when it, or one that it is made of, was never added.
    pub(crate) fn codec(&self, oid: u32) -> Option<Arc<Codec>> {
        self.lock(|state| self.resolve(state, oid, 0))
    }

    fn resolve(&self, state: &mut State, oid: u32, depth: u32) -> Option<Arc<Codec>> {
        if let Some(codec) = state.codecs.get(&oid) {
            return Some(codec.clone());
        }
        if depth > DEPTH_MAX {
            return Some(Arc::new(Codec::Literal));
        }
        let codec = match state.overrides.get(&oid).cloned() {
            Some(Override::Other(codec)) => codec,
            Some(Override::Custom(custom)) => {
                // Only tuples need to know what the type is otherwise.
                let base = if custom.format == CustomFormat::Tuple {
                    self.build(state, oid, depth)?
                } else {
                    Arc::new(Codec::Literal)
                };
                Arc::new(Codec::Custom(CustomCodec { custom, base }))
            }
            None => self.build(state, oid, depth)?,
        };
        state.codecs.insert(oid, codec.clone());
        Some(codec)
    }

    /// The codec that a type has of its own.
    fn build(&self, state: &mut State, oid: u32, depth: u32) -> Option<Arc<Codec>> {
        let (name, kind) = known(state, oid)?;
        let part = |state: &mut State, oid| self.resolve(state, oid, depth + 1);
        let is_binary = |codec: &Arc<Codec>| codec.format() == 1;
        let array = |element, element_oid, delimiter, lower_bound| {
            Codec::Array(ArrayCodec {
                element,
                element_oid,
                delimiter,
                lower_bound,
            })
        };
        let codec = match kind {
            TypeKind::Domain(base) => return part(state, base),
            TypeKind::Array { element, delimiter } => {
                array(part(state, element)?, element, delimiter, 1)
            }
            TypeKind::Vector(element) => array(part(state, element)?, element, b' ', 0),
            TypeKind::Enum(_) => Codec::Text,
            TypeKind::Composite(fields) => return self.composite(state, name, fields, depth),
            TypeKind::Range(subtype) => match part(state, subtype)? {
                subtype if is_binary(&subtype) => Codec::Range(RangeCodec { subtype }),
                _ => Codec::LiteralOf("range"),
            },
            TypeKind::MultirangeOf(subtype) => match part(state, subtype)? {
                subtype if is_binary(&subtype) => Codec::Multirange(RangeCodec { subtype }),
                _ => Codec::LiteralOf("range"),
            },
            TypeKind::Multirange(range) => {
                let (_, TypeKind::Range(subtype)) = known(state, range)? else {
                    return Some(Arc::new(Codec::Literal));
                };
                match part(state, subtype)? {
                    subtype if is_binary(&subtype) => Codec::Multirange(RangeCodec { subtype }),
                    _ => Codec::LiteralOf("range"),
                }
            }
            TypeKind::Pseudo if oid == ANYARRAY => Codec::AnyArray(self.weak()),
            TypeKind::Pseudo if oid == RECORD => Codec::Record(self.weak()),
            TypeKind::Base if state.added.contains_key(&oid) => {
                let extension = builtin::extension(&name).filter(|_| self.0.options.extensions);
                extension.unwrap_or(Codec::Literal)
            }
            TypeKind::Base | TypeKind::Pseudo => builtin::scalar(oid, self.0.options.json_as_text),
        };
        Some(Arc::new(codec))
    }

    fn composite(
        &self,
        state: &mut State,
        name: String,
        fields: Vec<(String, u32)>,
        depth: u32,
    ) -> Option<Arc<Codec>> {
        let mut known = Vec::with_capacity(fields.len());
        for (name, oid) in fields {
            let codec = self.resolve(state, oid, depth + 1)?;
            known.push(Field { name, oid, codec });
        }
        let is_binary = known.iter().all(|field| field.codec.format() == 1);
        Some(Arc::new(if is_binary {
            Codec::Composite(CompositeCodec::new(name, known))
        } else {
            Codec::LiteralOf("composite")
        }))
    }

    fn weak(&self) -> WeakTypes {
        WeakTypes(Arc::downgrade(&self.0))
    }

    /// Makes a type known, or known anew.
    pub(crate) fn add(&self, info: TypeInfo) {
        self.change(|state| {
            state.added.insert(info.oid, info);
        });
    }

    /// Which types must be looked up in the server's catalogue before there are codecs for
    /// `oids`: these, and what they are made of as far as that is known.
    pub(crate) fn unknown(&self, oids: &[u32]) -> Vec<u32> {
        self.lock(|state| {
            let mut unknown = Vec::new();
            let mut seen = Vec::new();
            let mut left: Vec<u32> = oids.iter().rev().copied().collect();
            while let Some(oid) = left.pop() {
                if seen.contains(&oid) || state.codecs.contains_key(&oid) {
                    continue;
                }
                seen.push(oid);
                let is_custom = match state.overrides.get(&oid) {
                    Some(Override::Custom(custom)) => custom.format != CustomFormat::Tuple,
                    Some(Override::Other(_)) => true,
                    None => false,
                };
                match known(state, oid) {
                    _ if is_custom => {}
                    Some((_, kind)) => left.extend(kind.parts().into_iter().rev()),
                    None => unknown.push(oid),
                }
            }
            unknown
        })
    }

    /// What is known about a type.
    pub(crate) fn info(&self, oid: u32) -> Option<TypeInfo> {
        self.lock(|state| {
            if let Some(info) = state.added.get(&oid) {
                return Some(info.clone());
            }
            let (name, kind) = builtin::kind_of(oid)?;
            let schema = "pg_catalog".to_owned();
            Some(TypeInfo {
                oid,
                schema,
                name,
                kind,
            })
        })
    }

    /// Gives a type to functions of the application's.
    ///
    /// # Errors
    /// `NotImplementedError` for tuples where the type has no such form, `KeyError` where it is
    /// not known whether it has.
    pub(crate) fn set_custom(&self, oid: u32, custom: Custom) -> PyResult<()> {
        let custom = Arc::new(custom);
        if custom.format == CustomFormat::Tuple {
            let base = self.lock(|state| self.build(state, oid, 0));
            let base = base.ok_or_else(|| PyKeyError::new_err(oid))?;
            if !has_tuple_form(&base) {
                return Err(PyNotImplementedError::new_err(format!(
                    "only text and binary codecs can be used on type {}",
                    self.name(oid)
                )));
            }
        }
        self.replace(oid, Some(Override::Custom(custom)));
        Ok(())
    }

    /// Gives a type the codec of a built-in type, or of an extension's.
    ///
    /// # Errors
    /// `KeyError` when there is none of that name.
    pub(crate) fn use_builtin(&self, oid: u32, name: &str) -> PyResult<()> {
        let name = name.strip_prefix("pg_contrib.").unwrap_or(name);
        let codec = match builtin::extension(name) {
            Some(codec) => Some(Arc::new(codec)),
            None => {
                builtin::oid_of(name).and_then(|oid| self.lock(|state| self.build(state, oid, 0)))
            }
        };
        let codec = codec.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        self.replace(oid, Some(Override::Other(codec)));
        Ok(())
    }

    /// Forgets every type that was added; what programs have set for an oid stays.
    pub(crate) fn forget(&self) {
        // What is dropped may run Python code, so it is dropped without the lock.
        let _before = self.change(|state| std::mem::take(&mut state.added));
    }

    /// Gives a type its own codec back.
    pub(crate) fn reset_custom(&self, oid: u32) {
        self.replace(oid, None);
    }

    fn replace(&self, oid: u32, with: Option<Override>) {
        // What is dropped may run Python code, so it is dropped without the lock.
        let _before = self.change(|state| match with {
            Some(with) => state.overrides.insert(oid, with),
            None => state.overrides.remove(&oid),
        });
    }

    /// Grows with every change: codecs from before it may be outdated.
    pub(crate) fn generation(&self) -> u64 {
        self.lock(|state| state.generation)
    }

    fn change<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let (result, _codecs) = self.lock(|state| {
            state.generation += 1;
            (act(state), std::mem::take(&mut state.codecs))
        });
        result
    }

    /// A type's schema and name, or its number where that is unknown.
    pub(crate) fn name(&self, oid: u32) -> String {
        self.info(oid).map_or_else(
            || oid.to_string(),
            |info| format!("{}.{}", info.schema, info.name),
        )
    }
}

/// Name and kind of a type that was added or is built in.
fn known(state: &State, oid: u32) -> Option<(String, TypeKind)> {
    match state.added.get(&oid) {
        Some(info) => Some((info.name.clone(), info.kind.clone())),
        None => builtin::kind_of(oid),
    }
}

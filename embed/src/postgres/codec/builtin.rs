//! The types that every server has, by their fixed identifiers (`pg_type.dat`).

use super::Codec;
use super::extension::Vector;
use super::geometry::Shape;
use super::text::JsonForm;
use super::types::TypeKind;
use postgres_types::{Kind, Type};

/// The system's own arrays, which begin at 0.
const INT2VECTOR: u32 = 22;
const OIDVECTOR: u32 = 30;

/// Name and kind of a built-in type.
pub(super) fn kind_of(oid: u32) -> Option<(String, TypeKind)> {
    let known = Type::from_oid(oid)?;
    let kind = match known.kind() {
        _ if oid == INT2VECTOR => TypeKind::Vector(Type::INT2.oid()),
        _ if oid == OIDVECTOR => TypeKind::Vector(Type::OID.oid()),
        Kind::Array(element) => array_of(element),
        // The catalogue calls these pseudo-types, but their values are arrays as any other's.
        _ if known == Type::RECORD_ARRAY => array_of(&Type::RECORD),
        _ if known == Type::CSTRING_ARRAY => array_of(&Type::CSTRING),
        Kind::Range(subtype) => TypeKind::Range(subtype.oid()),
        // The table says what the bounds are, not which range it is of.
        Kind::Multirange(subtype) => TypeKind::MultirangeOf(subtype.oid()),
        Kind::Enum(labels) => TypeKind::Enum(labels.clone()),
        Kind::Domain(base) => TypeKind::Domain(base.oid()),
        Kind::Composite(fields) => TypeKind::Composite(
            fields
                .iter()
                .map(|field| (field.name().to_owned(), field.type_().oid()))
                .collect(),
        ),
        Kind::Pseudo => TypeKind::Pseudo,
        _ => TypeKind::Base,
    };
    Some((known.name().to_owned(), kind))
}

fn array_of(element: &Type) -> TypeKind {
    TypeKind::Array {
        element: element.oid(),
        // The only type whose elements may hold commas.
        delimiter: if *element == Type::BOX { b';' } else { b',' },
    }
}

/// The identifier of a built-in type, by its name.
pub(super) fn oid_of(name: &str) -> Option<u32> {
    let name = match name {
        "decimal" => "numeric",
        "int" | "integer" => "int4",
        "smallint" => "int2",
        "bigint" => "int8",
        "real" => "float4",
        "float" => "float8",
        "boolean" => "bool",
        "string" => "text",
        name => name,
    };
    // Their identifiers are all below that (`FirstGenbkiObjectId`).
    (1..10_000).find(|&oid| Type::from_oid(oid).is_some_and(|known| known.name() == name))
}

/// The codec of a built-in type that is made of no others.
pub(super) fn scalar(oid: u32, json_as_text: bool) -> Codec {
    let Some(known) = Type::from_oid(oid) else {
        return Codec::Literal;
    };
    let json = |is_versioned| {
        Codec::Json(JsonForm {
            is_versioned,
            as_text: json_as_text,
        })
    };
    match known {
        Type::BOOL => Codec::Bool,
        Type::INT2 => Codec::Int2,
        Type::INT4 => Codec::Int4,
        Type::INT8 => Codec::Int8,
        Type::OID | Type::XID | Type::CID => Codec::Unsigned4,
        Type::XID8 | Type::PG_LSN => Codec::Unsigned8,
        Type::FLOAT4 => Codec::Float4,
        Type::FLOAT8 => Codec::Float8,
        Type::NUMERIC => Codec::Numeric,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::XML => Codec::Text,
        Type::UNKNOWN | Type::CSTRING | Type::REFCURSOR | Type::ANYENUM => Codec::Text,
        Type::JSONPATH => Codec::VersionedText,
        Type::BYTEA => Codec::Bytea,
        Type::CHAR => Codec::Char,
        Type::UUID => Codec::Uuid,
        Type::JSON => json(false),
        Type::JSONB => json(true),
        Type::DATE => Codec::Date,
        Type::TIME => Codec::Time,
        Type::TIMETZ => Codec::TimeTz,
        Type::TIMESTAMP => Codec::Timestamp,
        Type::TIMESTAMPTZ => Codec::TimestampTz,
        Type::INTERVAL => Codec::Interval,
        Type::INET => Codec::Inet,
        Type::CIDR => Codec::Cidr,
        Type::MACADDR => Codec::Mac(6),
        Type::MACADDR8 => Codec::Mac(8),
        Type::BIT | Type::VARBIT => Codec::Bits,
        Type::TID => Codec::Tid,
        Type::TXID_SNAPSHOT | Type::PG_SNAPSHOT => Codec::Snapshot,
        Type::VOID => Codec::Void,
        Type::POINT => Codec::Geometry(Shape::Point),
        Type::LINE => Codec::Geometry(Shape::Line),
        Type::LSEG => Codec::Geometry(Shape::LineSegment),
        Type::BOX => Codec::Geometry(Shape::Box),
        Type::PATH => Codec::Geometry(Shape::Path),
        Type::POLYGON => Codec::Geometry(Shape::Polygon),
        Type::CIRCLE => Codec::Geometry(Shape::Circle),
        // Money depends on the server's locale, the names of objects on its catalogue, and the
        // binary forms of text search differ from what anybody writes.
        _ => Codec::Literal,
    }
}

/// Whether a type is the identifier of a catalogue's row that is shown as its name.
pub(super) fn is_object_name(oid: u32) -> bool {
    Type::from_oid(oid).is_some_and(|known| known.name().starts_with("reg"))
}

/// The codec of an extension's type, by its name.
pub(super) fn extension(name: &str) -> Option<Codec> {
    Some(match name {
        "hstore" => Codec::Hstore,
        "citext" => Codec::Text,
        "ltree" | "lquery" | "ltxtquery" => Codec::VersionedText,
        "vector" => Codec::Vector(Vector::Single),
        "halfvec" => Codec::Vector(Vector::Half),
        "sparsevec" => Codec::Vector(Vector::Sparse),
        _ => return None,
    })
}

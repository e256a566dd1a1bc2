//! Events in JSON: flat, whatever level they are of, as `{"group-started":{"cluster":"…","group":"…","instances":3}}`.
//!
//! In the program they are nested, so that a listener of one level knows that level alone. In journals and JSON lines they stay as they always
//! were: old journals are read by the one reader there is, programs that read JSON lines notice nothing, and a nested form would need a second
//! reader and say nothing more. Which level an event belongs to follows from its name, and the names are those that serde knows of each level's
//! enum: a new event needs nothing here.

use serde::de::value::{EnumAccessDeserializer, Error as NoValue, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, VariantAccess,
    Visitor,
};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::{Map, Value, json};

use super::{ClusterEvent, Event, GroupEvent, HookEvent, StageEvent, StepEvent};
use crate::model::HookPlace;

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Event::Rollout(what) => what.serialize(out),
            Event::Stage(stage, what) => flat(json!({ "stage": stage }), what, out),
            Event::Cluster(cluster, what) => flat(json!({ "cluster": cluster }), what, out),
            Event::Group(cluster, group, what) => {
                flat(json!({ "cluster": cluster, "group": group }), what, out)
            }
            Event::Hook(place, what) => flat(json!(place), what, out),
            Event::Step(step, what) => flat(json!({ "step": step }), what, out),
        }
    }
}

/// The name of what happened, and its fields behind those that say where.
fn flat<S: Serializer>(place: Value, what: &impl Serialize, out: S) -> Result<S::Ok, S::Error> {
    let form = serde_json::to_value(what).map_err(serde::ser::Error::custom)?;
    let (name, fields) = match form.as_str() {
        Some(name) => (name.to_owned(), Value::Null),
        None => fields_of(form).into_iter().next().unwrap_or_default(),
    };
    let all: Map<String, Value> = [place, fields].into_iter().flat_map(fields_of).collect();
    let mut event = out.serialize_map(Some(1))?;
    event.serialize_entry(&name, &all)?;
    event.end()
}

fn fields_of(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value {
        map
    } else {
        Map::new()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Event, D::Error> {
        from.deserialize_enum("Event", &[], AnyEvent)
    }
}

struct AnyEvent;

impl<'de> Visitor<'de> for AnyEvent {
    type Value = Event;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an event")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Event, A::Error> {
        let (name, content) = access.variant::<String>()?;
        let is = |names: &[&str]| names.contains(&name.as_str());
        if is(names::<StageEvent>()) {
            let mut fields = content.newtype_variant()?;
            let stage = place(&mut fields, "stage")?;
            let what = what(name, fields)?;
            Ok(Event::Stage(stage, what))
        } else if is(names::<ClusterEvent>()) {
            let mut fields = content.newtype_variant()?;
            let cluster = place(&mut fields, "cluster")?;
            let what = what(name, fields)?;
            Ok(Event::Cluster(cluster, what))
        } else if is(names::<GroupEvent>()) {
            let mut fields = content.newtype_variant()?;
            let cluster = place(&mut fields, "cluster")?;
            let group = place(&mut fields, "group")?;
            let what = what(name, fields)?;
            Ok(Event::Group(cluster, group, what))
        } else if is(names::<HookEvent>()) {
            let mut fields = content.newtype_variant()?;
            let place = hook_place(&mut fields)?;
            let what = what(name, fields)?;
            Ok(Event::Hook(place, what))
        } else if is(names::<StepEvent>()) {
            let mut fields = content.newtype_variant()?;
            let step = place(&mut fields, "step")?;
            let what = what(name, fields)?;
            Ok(Event::Step(step, what))
        } else {
            let event = EnumAccessDeserializer::new(Named { name, content });
            Deserialize::deserialize(event).map(Event::Rollout)
        }
    }
}

/// Takes out one of the fields that say where it happened.
fn place<T: DeserializeOwned, E: serde::de::Error>(
    fields: &mut Map<String, Value>,
    name: &'static str,
) -> Result<T, E> {
    let value = fields.shift_remove(name);
    let value = value.ok_or_else(|| E::missing_field(name))?;
    T::deserialize(value).map_err(|e| E::custom(format_args!("`{name}`: {e}")))
}

/// Takes out the fields that say which hook it is, and where it runs.
fn hook_place<E: serde::de::Error>(fields: &mut Map<String, Value>) -> Result<HookPlace, E> {
    const NAMES: [&str; 4] = ["hook", "stage", "wave", "cluster"];
    let mut place = Map::new();
    for name in NAMES {
        if let Some(value) = fields.shift_remove(name) {
            place.insert(name.to_owned(), value);
        }
    }
    HookPlace::deserialize(Value::Object(place)).map_err(E::custom)
}

/// What happened, from its name and the fields that are left.
fn what<T: DeserializeOwned, E: serde::de::Error>(
    name: String,
    fields: Map<String, Value>,
) -> Result<T, E> {
    let content = Fields(fields);
    T::deserialize(EnumAccessDeserializer::new(Named { name, content })).map_err(E::custom)
}

/// A variant whose name has been read.
struct Named<C> {
    name: String,
    content: C,
}

impl<'de, C: VariantAccess<'de>> EnumAccess<'de> for Named<C> {
    type Error = C::Error;
    type Variant = C;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, C), C::Error> {
        let name: StringDeserializer<C::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.content))
    }
}

/// The fields of a variant; none, where it has none.
struct Fields(Map<String, Value>);

impl<'de> VariantAccess<'de> for Fields {
    type Error = serde_json::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Self::Error> {
        seed.deserialize(Value::Object(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("an event has fields with names"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Value::Object(self.0).deserialize_map(visitor)
    }
}

/// The names of an enum's variants: serde's derive hands them to whatever it reads from.
fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Nothing is read: this ends in an error as soon as the names are there.
    drop(T::deserialize(Names(&mut names)));
    names
}

struct Names<'n>(&'n mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
        Err(NoValue::custom("no enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = variants;
        Err(NoValue::custom("only the names"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::super::RolloutEvent;
    use super::*;

    /// Lines of journals, one of each shape that an event can have.
    const LINES: [&str; 10] = [
        r#""held""#,
        r#"{"paused":{"why":"words"}}"#,
        r#"{"lock-taken":{"cluster":null,"from":"anna","rollout":"r","fence":3}}"#,
        r#"{"wave-started":{"stage":"canary","wave":0}}"#,
        r#"{"failed":{"cluster":"a.k8s.test","group":null,"why":"words"}}"#,
        r#"{"group-started":{"cluster":"a.k8s.test","group":"nodes.a.k8s.test","instances":3}}"#,
        r#"{"group-done":{"cluster":"a.k8s.test","group":"nodes.a.k8s.test"}}"#,
        r#"{"outcome":{"step":7,"result":{"refused":"no"}}}"#,
        r#"{"hook-started":{"hook":"tools","stage":"prod","wave":0,"cluster":"a.k8s.test","way":"run","attempt":1}}"#,
        r#"{"hook-ended":{"hook":"tools","stage":"prod","way":"undo","result":{"failed":{"code":3}},"said":"no"}}"#,
    ];

    #[test]
    fn events_keep_the_bytes_that_they_always_had() {
        for line in LINES {
            let event: Event = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), line);
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
        }
    }

    #[test]
    fn a_name_belongs_to_one_level() {
        let mut all: Vec<&str> = [
            names::<RolloutEvent>(),
            names::<StageEvent>(),
            names::<ClusterEvent>(),
            names::<GroupEvent>(),
            names::<HookEvent>(),
            names::<StepEvent>(),
        ]
        .concat();
        let count = all.len();
        assert!(count > 40, "{all:?}");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{all:?}");
    }

    #[test]
    fn an_event_that_lacks_its_place_is_refused() {
        let read = |line: &str| {
            let read: Result<Event, _> = serde_json::from_str(line);
            read.unwrap_err().to_string()
        };
        let group = r#"{"group-done":{"cluster":"a.k8s.test"}}"#;
        assert!(read(group).contains("missing field `group`"));
        assert!(read(r#"{"group-gone":{}}"#).contains("unknown variant `group-gone`"));
        assert!(read(r#"{"stage-passed":7}"#).contains("invalid type"));
    }
}

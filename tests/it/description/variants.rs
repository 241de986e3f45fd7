//! Instances that a schema of the description allows at its very bounds, and ones that it just does not allow.

use serde_json::{Map, Value, json};

/// An instance, and what about it is tried.
#[derive(Debug)]
pub struct Variant {
    /// Where: a JSON Pointer.
    pub pointer: String,
    /// What is tried there.
    pub what: String,
    /// The instance.
    pub body: Value,
}

/// Texts of which each breaks some pattern.
const ODD: [&str; 8] = ["", " ", "a b", "ä", "<b>", "\u{1}", "A/../B", "a\"b\\c"];

/// A schema, with the document that its references are looked up in.
#[derive(Clone, Copy)]
pub struct Schema<'d> {
    document: &'d Value,
    schema: &'d Value,
}

impl<'d> Schema<'d> {
    /// The schema, or the one that it refers to.
    pub fn of(document: &'d Value, schema: &'d Value) -> Self {
        let schema = match schema["$ref"].as_str() {
            None => schema,
            Some(reference) => document
                .pointer(reference.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("{reference} leads nowhere")),
        };
        Self { document, schema }
    }

    /// The example that the description gives.
    pub fn example(self) -> Value {
        self.schema["example"].clone()
    }

    /// The properties of an object; where it consists of several schemas, of all of them.
    pub fn properties(self) -> Vec<(&'d str, Self)> {
        let parts = self.schema["allOf"].as_array().into_iter().flatten();
        let mut all: Vec<_> = parts
            .flat_map(|part| Self::of(self.document, part).properties())
            .collect();
        let own = self.schema["properties"].as_object().into_iter().flatten();
        all.extend(own.map(|(name, schema)| (name.as_str(), Self::of(self.document, schema))));
        all
    }

    /// The properties that have to be there.
    pub fn required(self) -> Vec<&'d str> {
        let parts = self.schema["allOf"].as_array().into_iter().flatten();
        let mut all: Vec<_> = parts
            .flat_map(|part| Self::of(self.document, part).required())
            .collect();
        all.extend(
            self.schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str),
        );
        all
    }

    /// A bound of the schema.
    pub fn bound(self, name: &str) -> Option<usize> {
        self.schema[name]
            .as_u64()
            .map(|bound| usize::try_from(bound).unwrap())
    }

    /// The schema of a list's entries.
    pub fn entry(self) -> Option<Self> {
        let items = &self.schema["items"];
        items.is_object().then(|| Self::of(self.document, items))
    }

    /// The words of a closed list.
    pub fn words(self) -> Option<Vec<&'d str>> {
        let words = self.schema["enum"].as_array()?;
        Some(words.iter().filter_map(Value::as_str).collect())
    }

    /// Whether a value is valid by the schema alone.
    pub fn allows(self, value: &Value) -> bool {
        let mut root = self.schema.clone();
        if root.to_string().contains("\"$ref\"") {
            root["components"] = self.document["components"].clone();
        }
        let validator = jsonschema::draft202012::new(&root).expect("a schema that compiles");
        validator.is_valid(value)
    }

    fn types(self) -> Vec<&'d str> {
        match &self.schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Objects like `base` with one thing wrong.
    pub fn wrong_objects(self, base: &Value) -> Vec<Variant> {
        let mut found = Vec::new();
        let object = base.as_object().expect("an object");
        if self.schema["additionalProperties"] == false {
            found.push(with(object, "no_such_member", json!(1), "", "an unknown member"));
        }
        for name in self.required() {
            let mut object = object.clone();
            object.remove(name);
            found.push(Variant {
                pointer: format!("/{name}"),
                what: "it is missing".to_owned(),
                body: object.into(),
            });
        }
        for (name, schema) in self.properties() {
            for wrong in schema.wrong_values() {
                found.push(with(object, name, wrong.body, &wrong.pointer, &wrong.what));
            }
        }
        found
    }

    /// Values with one thing wrong.
    fn wrong_values(self) -> Vec<Variant> {
        let mut found: Vec<Variant> = self.wrong_types();
        let mut push = |what: String, body: Value| {
            // What is wrong by itself; it may be wrong in two ways.
            assert!(
                !self.allows(&body),
                "{what}: {body} is allowed by {}",
                self.schema
            );
            found.push(Variant {
                pointer: String::new(),
                what,
                body,
            });
        };
        if self.schema["enum"].is_array() {
            push("an unknown word".to_owned(), json!("no-such-word"));
        }
        if let Some(longest) = self.bound("maxLength") {
            push(
                format!("{} characters", longest + 1),
                json!("a".repeat(longest + 1)),
            );
        }
        if let Some(shortest) = self.bound("minLength").filter(|shortest| *shortest > 0) {
            push(
                format!("{} characters", shortest - 1),
                json!("a".repeat(shortest - 1)),
            );
        }
        if self.schema["pattern"].is_string() {
            for odd in ODD.iter().filter(|odd| !self.allows(&json!(odd))) {
                push(format!("the characters {odd:?}"), json!(odd));
            }
        }
        if let Some(least) = self.schema["minimum"].as_i64() {
            push(format!("{}", least - 1), json!(least - 1));
            push(format!("{least}.5"), json!(least as f64 + 0.5));
        }
        if let Some(most) = self.schema["maximum"].as_i64() {
            push(format!("{}", most + 1), json!(most + 1));
        }
        if let Some(most) = self.bound("maxItems") {
            push(format!("{} entries", most + 1), self.entries(most + 1).into());
        }
        if self.schema["uniqueItems"] == true {
            let entry = &self.entries(1)[0];
            push("an entry twice".to_owned(), json!([entry, entry]));
        }
        found.extend(self.wrong_entries());
        if self.types().contains(&"object") && self.schema["properties"].is_object() {
            found.extend(
                self.wrong_objects(&json!({}))
                    .into_iter()
                    .filter(|wrong| !self.allows(&wrong.body)),
            );
        }
        found
    }

    fn wrong_types(self) -> Vec<Variant> {
        let types = self.types();
        let values = [
            json!(null),
            json!(true),
            json!(7),
            json!(7.5),
            json!("text"),
            json!([]),
            json!({}),
        ];
        let wrong = values.into_iter().filter(|value| {
            let kind = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_f64() => "number",
                Value::Number(_) => "integer",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            let is_number = types.contains(&"number") && kind == "integer";
            !(types.is_empty() || types.contains(&kind) || is_number)
        });
        let variant = |body: Value| Variant {
            pointer: String::new(),
            what: format!("the type of {body}"),
            body,
        };
        wrong.map(variant).collect()
    }

    /// A list whose second entry is wrong.
    fn wrong_entries(self) -> Vec<Variant> {
        if !self.schema["items"].is_object() {
            return Vec::new();
        }
        let good = &self.entries(1)[0];
        let items = Self::of(self.document, &self.schema["items"]);
        let wrong = items.wrong_values().into_iter().map(|wrong| Variant {
            pointer: format!("/1{}", wrong.pointer),
            what: wrong.what,
            body: json!([good, wrong.body]),
        });
        wrong.collect()
    }

    /// So many different entries.
    fn entries(self, count: usize) -> Vec<Value> {
        let items = Self::of(self.document, &self.schema["items"]);
        let entry = |n: usize| match (items.words(), items.types().first()) {
            (Some(words), _) => json!(words[n % words.len()]),
            (None, Some(&"object")) => json!({"kid": n.to_string()}),
            (None, _) => {
                let url = json!(format!("https://{n}.example"));
                if items.allows(&url) {
                    url
                } else {
                    json!(format!("e{n}"))
                }
            }
        };
        (0..count).map(entry).collect()
    }

    /// Values at the very bounds, and all words of closed lists.
    pub fn utmost_values(self) -> Vec<Value> {
        let mut found: Vec<Value> = self
            .words()
            .into_iter()
            .flatten()
            .map(|word| json!(word))
            .collect();
        for name in ["minimum", "maximum"] {
            found.extend(self.schema[name].as_i64().map(|bound| json!(bound)));
        }
        for name in ["minLength", "maxLength"] {
            found.extend(self.bound(name).map(|bound| json!("a".repeat(bound))));
        }
        for name in ["minItems", "maxItems"] {
            found.extend(self.bound(name).map(|bound| self.entries(bound).into()));
        }
        if self.types().contains(&"null") {
            found.push(Value::Null);
        }
        if self.types().contains(&"boolean") {
            found.extend([json!(true), json!(false)]);
        }
        found.retain(|value| self.allows(value));
        found
    }
}

fn with(object: &Map<String, Value>, name: &str, value: Value, below: &str, what: &str) -> Variant {
    let mut object = object.clone();
    object.insert(name.to_owned(), value);
    Variant {
        pointer: format!("/{name}{below}"),
        what: what.to_owned(),
        body: object.into(),
    }
}

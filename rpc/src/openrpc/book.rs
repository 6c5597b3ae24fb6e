//! Writes an OpenRPC document, method by method.

use std::collections::BTreeMap;

use allod_rpc_api::ErrorCode;
use allod_rpc_api::error::ErrorData;
use allod_rpc_api::hex_bytes::HexBytes;
use allod_rpc_api::read::ReadOptions;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::shapes;

/// The version of the OpenRPC Specification.
const OPENRPC: &str = "1.3.2";
/// Where the document keeps its schemas.
const SCHEMAS: &str = "/components/schemas";
/// JSON-RPC's code for parameters that are missing or of a wrong type.
const INVALID_PARAMS: i32 = -32602;

/// What any method may be refused with: the node fails, or does not listen to who asks.
const ANY: &[ErrorCode] = &[
    ErrorCode::Internal,
    ErrorCode::RateLimited,
    ErrorCode::Unauthorized,
];

/// A document being written.
pub(super) struct Book {
    /// Of what is read: members that have a default may be left out.
    requests: SchemaGenerator,
    /// Of what is written: objects have the members listed, and no others.
    answers: SchemaGenerator,
    methods: BTreeMap<String, Value>,
    examples: Map<String, Value>,
}

/// A method whose description is not finished.
pub(super) struct Method<'b> {
    book: &'b mut Book,
    name: String,
    object: Map<String, Value>,
    errors: Vec<Value>,
}

/// One parameter.
struct Param {
    name: String,
    schema: Value,
    is_required: bool,
}

impl Book {
    /// Begins a document. `examples`: JSON, by name of the method.
    pub(super) fn new(examples: &str) -> Self {
        let mut settings = SchemaSettings::draft07();
        settings.definitions_path = SCHEMAS.into();
        Self {
            requests: settings.clone().for_deserialize().into_generator(),
            answers: settings.for_serialize().into_generator(),
            methods: BTreeMap::new(),
            examples: serde_json::from_str(examples).unwrap_or_default(),
        }
    }

    /// Begins a method whose parameters are the members of one object `Q`.
    pub(super) fn by_name<Q: JsonSchema>(&mut self, name: &str, summary: &str) -> Method<'_> {
        let params = self.members::<Q>();
        self.method(name, summary, "by-name", params)
    }

    /// Begins a read: its parameters are the members of `Q`, and those of every read.
    pub(super) fn read<Q: JsonSchema>(&mut self, name: &str, summary: &str) -> Method<'_> {
        let mut params = self.members::<Q>();
        params.extend(self.members::<ReadOptions>());
        self.method(name, summary, "by-name", params)
    }

    /// Begins a method whose parameters are told apart by their position.
    pub(super) fn by_position(
        &mut self,
        name: &str,
        summary: &str,
        params: Vec<(&str, Value)>,
    ) -> Method<'_> {
        let params = params.into_iter().map(|(name, mut schema)| Param {
            name: name.to_owned(),
            is_required: !shapes::may_be_left_out(&mut schema),
            schema,
        });
        let params: Vec<Param> = params.collect();
        let takes_none = params.is_empty();
        let mut method = self.method(name, summary, "by-position", params);
        if !takes_none {
            let message = "Invalid params";
            method.errors.push(error(INVALID_PARAMS, message));
        }
        method
    }

    /// Describes `alias` as another name of a method that is described already.
    pub(super) fn alias(&mut self, alias: &str, of: &str) {
        let mut method = self.methods.get(of).cloned().unwrap_or_default();
        method["name"] = alias.into();
        method["summary"] = format!("Another name of `{of}`.").into();
        method["x-alias-of"] = of.into();
        if let Some(method) = method.as_object_mut() {
            method.remove("description");
            method.remove("examples");
        }
        self.methods.insert(alias.to_owned(), method);
    }

    /// Returns the schema of what is read as `T`.
    pub(super) fn request_schema<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    /// Returns the schema of what is written from `T`.
    pub(super) fn answer_schema<T: JsonSchema>(&mut self) -> Value {
        closed(self.answers.subschema_for::<T>().to_value())
    }

    /// Returns the schema of `T` that comes with its proof if one was wanted.
    pub(super) fn proven_schema<T: JsonSchema>(&mut self) -> Value {
        let mut schema = closed(T::json_schema(&mut self.answers).to_value());
        let mut proof = self.answer_schema::<HexBytes>();
        proof["description"] = "SCALE `ReadProof` of what the answer was worked out from, if it \
            was wanted; absent also where the answer follows from the request alone."
            .into();
        schema["properties"]["proof"] = proof;
        schema
    }

    fn members<Q: JsonSchema>(&mut self) -> Vec<Param> {
        let schema = Q::json_schema(&mut self.requests).to_value();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object().cloned();
        let params = properties.unwrap_or_default().into_iter();
        params
            .map(|(name, schema)| Param {
                is_required: required.iter().any(|it| *it == name),
                name,
                schema,
            })
            .collect()
    }

    fn method(
        &mut self,
        name: &str,
        summary: &str,
        structure: &str,
        mut params: Vec<Param>,
    ) -> Method<'_> {
        // Of parameters by name those that must be there come first, as in a signature.
        if structure == "by-name" {
            params.sort_by_key(|it| !it.is_required);
        }
        let params = params.into_iter().map(|it| it.described());
        let mut object = Map::new();
        object.insert("name".into(), name.into());
        object.insert("summary".into(), summary.into());
        object.insert("paramStructure".into(), structure.into());
        object.insert("params".into(), params.collect());
        Method {
            book: self,
            name: name.to_owned(),
            object,
            errors: Vec::new(),
        }
    }

    /// Ends the document. `version`: of the contract.
    pub(super) fn finish(mut self, version: &str) -> Value {
        let data = self.answer_schema::<ErrorData>();
        let requests = self.requests.take_definitions(true);
        let answers = self.answers.take_definitions(true);
        let answers = answers.into_iter().map(|(name, it)| (name, closed(it)));
        let mut schemas: BTreeMap<String, Value> = answers.collect();
        for (name, schema) in requests {
            let known = schemas.insert(name.clone(), schema.clone());
            let is_one = known.is_none_or(|known| known == schema);
            assert!(is_one, "{name} is read in another form than it is written");
        }
        let errors = ErrorCode::ALL.iter().map(|code| (code.slug(), row(*code)));
        let errors: Map<String, Value> = errors.map(|(slug, row)| (slug.into(), row)).collect();
        let mut document = json!({
            "openrpc": OPENRPC,
            "info": {
                "title": "Allod node",
                "description": "JSON-RPC 2.0 over HTTP POST and WebSocket. Every answer may be \
                    one of `components.errors`; `x-error-data` is the form of their `data`.",
                "version": version,
                "license": { "name": "Apache-2.0" },
            },
            "servers": [{ "name": "local node", "url": "http://127.0.0.1:9944" }],
            "methods": self.methods.into_values().collect::<Vec<_>>(),
            "components": { "schemas": schemas, "errors": errors },
            "x-error-data": data,
        });
        shapes::drop_marks(&mut document);
        join_lines(&mut document);
        document
    }
}

impl<'b> Method<'b> {
    /// Names errors that the method may answer with, beside those of JSON-RPC itself.
    pub(super) fn errors(mut self, codes: &[ErrorCode]) -> Self {
        let mut codes = codes.to_vec();
        codes.sort();
        codes.dedup();
        self.errors.extend(references(&codes));
        self
    }

    /// Names an error of Substrate's.
    pub(super) fn error(mut self, code: i32, message: &str) -> Self {
        self.errors.push(error(code, message));
        self
    }

    /// Says more than the summary does.
    pub(super) fn note(mut self, text: &str) -> Self {
        self.object.insert("description".into(), text.into());
        self
    }

    /// Says that a lone string by position stands for the parameter `did`.
    pub(super) fn takes_a_lone_did(self) -> Self {
        self.note("A lone string by position stands for `did`.")
    }

    /// Ends the description of a method that answers with `A`.
    pub(super) fn answers<A: JsonSchema>(self) {
        let schema = self.book.answer_schema::<A>();
        self.answers_as(schema);
    }

    /// Ends the description of a read that answers with `A`.
    pub(super) fn proves<A: JsonSchema>(self) {
        let schema = self.book.proven_schema::<A>();
        self.answers_as(schema);
    }

    /// Ends the description of a method whose answer fits `schema`.
    pub(super) fn answers_as(self, schema: Value) {
        self.end(schema);
    }

    /// Ends the description of a subscription: the answer is its id, then notifications `named`
    /// follow, each with a `T`, until `ended`.
    pub(super) fn tells<T: JsonSchema>(mut self, named: &str, ended: &str) {
        let told = self.book.answer_schema::<T>();
        let subscription = json!({ "notification": named, "end": ended, "schema": told });
        self.object.insert("x-subscription".into(), subscription);
        let id = self.book.answer_schema::<shapes::SubscriptionId>();
        let asked = self.book.request_schema::<shapes::SubscriptionId>();
        let name = &self.name;
        let summary = format!("Ends a subscription of `{name}`; answers whether there was one.");
        let book = self.end(id);
        let params = vec![("subscription", asked)];
        book.by_position(ended, &summary, params).answers::<bool>();
    }

    fn end(mut self, schema: Value) -> &'b mut Book {
        let result = json!({ "name": "result", "schema": schema });
        self.object.insert("result".into(), result);
        self.errors.extend(references(ANY));
        self.object.insert("errors".into(), self.errors.into());
        if let Some(example) = self.book.examples.get(&self.name) {
            let example = pairing(example, &self.object["params"]);
            self.object.insert("examples".into(), json!([example]));
        }
        let object = Value::Object(self.object);
        self.book.methods.insert(self.name, object);
        self.book
    }
}

impl Param {
    /// Returns it as a content descriptor.
    fn described(mut self) -> Value {
        let text = self.schema.as_object_mut();
        let text = text.and_then(|schema| schema.remove("description"));
        let mut descriptor = json!({
            "name": self.name,
            "required": self.is_required,
            "schema": self.schema,
        });
        if let Some(text) = text {
            descriptor["description"] = text;
        }
        descriptor
    }
}

/// Returns references to rows of the table of errors.
fn references(codes: &[ErrorCode]) -> impl Iterator<Item = Value> {
    let slugs = codes.iter().map(|code| code.slug());
    slugs.map(|slug| json!({ "$ref": format!("#/components/errors/{slug}") }))
}

/// Returns a row of the table of errors.
fn row(code: ErrorCode) -> Value {
    json!({
        "code": code.code(),
        "message": code.message(),
        "data": { "slug": code.slug(), "hint": code.hint() },
    })
}

fn error(code: i32, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

/// Returns an example as OpenRPC pairs its parameters and its result.
fn pairing(example: &Value, params: &Value) -> Value {
    let names = params.as_array().into_iter().flatten();
    let names = names.filter_map(|it| it["name"].as_str());
    let given: Vec<Value> = match &example["params"] {
        Value::Array(values) => names
            .zip(values)
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect(),
        values => names
            .filter_map(|name| Some((name, values.get(name)?)))
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect(),
    };
    json!({
        "name": "an answer",
        "params": given,
        "result": { "name": "result", "value": example["result"] },
    })
}

/// Closes every object of a schema of what is written: it has the members listed, and no others;
/// one that may be absent is absent, not null.
fn closed(mut schema: Value) -> Value {
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(close),
        Value::Object(object) => {
            object.values_mut().for_each(close);
            // What is left out of a request: nothing is left out of an answer.
            object.remove("default");
            let required = object.get("required").cloned().unwrap_or_default();
            let Some(Value::Object(properties)) = object.get_mut("properties") else {
                return;
            };
            let is_required = |name: &str| {
                let mut names = required.as_array().into_iter().flatten();
                names.any(|it| it == name)
            };
            let optional = properties.iter_mut().filter(|(name, _)| !is_required(name));
            optional.for_each(|(_, schema)| shapes::forbid_null(schema));
            object
                .entry("additionalProperties")
                .or_insert(Value::Bool(false));
        }
        _ => {}
    }
}

/// Joins the lines that a doc comment was written in.
fn join_lines(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(join_lines),
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(text) if name == "description" => *text = text.replace('\n', " "),
                    other => join_lines(other),
                }
            }
        }
        _ => {}
    }
}

//! Holds requests and answers against the document that describes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};

const DOCUMENT: &str = "https://allod.example/openrpc.json";
const META: &str = "https://meta.open-rpc.org/";

/// What one method takes, and answers.
struct Method {
    is_by_name: bool,
    params: Vec<(String, bool, SchemaIndex)>,
    result: SchemaIndex,
    told: Option<SchemaIndex>,
    codes: BTreeSet<i64>,
}

pub(crate) struct Judge {
    schemas: Schemas,
    methods: BTreeMap<String, Method>,
    data: SchemaIndex,
    meta: SchemaIndex,
}

impl Judge {
    /// Of the document of an archive, which describes every method.
    pub(crate) fn new() -> &'static Self {
        static JUDGE: OnceLock<Judge> = OnceLock::new();
        JUDGE.get_or_init(|| Self::of(&allod_rpc::openrpc_document(true)))
    }

    pub(crate) fn of(document: &Value) -> Self {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V7);
        compiler.add_resource(DOCUMENT, document.clone()).unwrap();
        compiler.add_resource(META, meta_schema()).unwrap();
        // Where the meta-schema looks for JSON Schema's own: the same schema, by another name.
        let draft = json!({
            "$ref": "http://json-schema.org/draft-07/schema#",
            "definitions": { "JSONSchemaObject": { "properties": { "$ref": { "type": "string" } } } },
        });
        let elsewhere = "https://meta.json-schema.tools/";
        compiler.add_resource(elsewhere, draft).unwrap();
        let mut schemas = Schemas::new();
        let mut compile = |at: &str| {
            let place = format!("{DOCUMENT}#{at}");
            let compiled = compiler.compile(&place, &mut schemas);
            compiled.unwrap_or_else(|error| panic!("{at}: {error:#}"))
        };
        let listed = document["methods"].as_array().unwrap();
        let methods = listed.iter().enumerate().map(|(index, it)| {
            let params = it["params"].as_array().unwrap();
            let params = params.iter().enumerate().map(|(n, param)| {
                let schema = compile(&format!("/methods/{index}/params/{n}/schema"));
                let name = param["name"].as_str().unwrap().to_owned();
                (name, param["required"] == true, schema)
            });
            let told = it.get("x-subscription").map(|_| ());
            let method = Method {
                is_by_name: it["paramStructure"] == "by-name",
                params: params.collect(),
                result: compile(&format!("/methods/{index}/result/schema")),
                told: told.map(|()| compile(&format!("/methods/{index}/x-subscription/schema"))),
                codes: codes(document, it),
            };
            (it["name"].as_str().unwrap().to_owned(), method)
        });
        let methods = methods.collect();
        let data = compile("/x-error-data");
        let meta = compiler.compile(META, &mut schemas).unwrap();
        Self {
            schemas,
            methods,
            data,
            meta,
        }
    }

    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.methods.keys().map(String::as_str).collect()
    }

    /// Says what of a document OpenRPC's own schema does not allow.
    pub(crate) fn fault_of_document(&self, document: &Value) -> Option<String> {
        self.fault(document, self.meta)
    }

    /// Says what of a request that was answered, and of its answer, the document does not allow.
    pub(crate) fn fault_of_call(
        &self,
        method: &str,
        params: &Value,
        answer: &Result<Value, Value>,
    ) -> Option<String> {
        let described = self.methods.get(method)?;
        let fault = match answer {
            Ok(result) => self
                .fault_of_params(described, params)
                .or_else(|| self.fault(result, described.result)),
            Err(error) => self.fault_of_error(described, error),
        };
        fault.map(|fault| format!("{method} {params}: {fault}\n{answer:?}"))
    }

    /// Returns whether a value fits a parameter.
    pub(crate) fn allows(&self, method: &str, param: usize, value: &Value) -> bool {
        let (_, _, schema) = &self.methods[method].params[param];
        self.fault(value, *schema).is_none()
    }

    /// Says what of a notification the document does not allow.
    pub(crate) fn fault_of_told(&self, subscription: &str, told: &Value) -> Option<String> {
        self.fault(told, self.methods[subscription].told.unwrap())
    }

    fn fault_of_params(&self, method: &Method, params: &Value) -> Option<String> {
        let values: Vec<(&str, &Value)> = match params {
            Value::Null => Vec::new(),
            Value::Object(object) => object.iter().map(|(k, v)| (k.as_str(), v)).collect(),
            Value::Array(list) if method.is_by_name => match list.as_slice() {
                [] => Vec::new(),
                [Value::Object(object)] => object.iter().map(|(k, v)| (k.as_str(), v)).collect(),
                [lone] => vec![("did", lone)],
                more => return Some(format!("{} parameters", more.len())),
            },
            Value::Array(list) if list.len() > method.params.len() => {
                return Some("a parameter that is not described".to_owned());
            }
            Value::Array(list) => {
                let names = method.params.iter().map(|it| it.0.as_str());
                names.zip(list).collect()
            }
            other => return Some(format!("no parameters: {other}")),
        };
        for (name, is_required, _) in &method.params {
            if *is_required && !values.iter().any(|it| it.0 == name) {
                return Some(format!("answered without the parameter {name}"));
            }
        }
        values.into_iter().find_map(|(name, value)| {
            match method.params.iter().find(|it| it.0 == name) {
                None => Some(format!("takes {name}, which is not described")),
                Some((_, _, schema)) => self.fault(value, *schema),
            }
        })
    }

    fn fault_of_error(&self, method: &Method, error: &Value) -> Option<String> {
        let code = error["code"].as_i64()?;
        let is_of_json_rpc = (-32768..=-32000).contains(&code);
        if !is_of_json_rpc && !method.codes.contains(&code) {
            return Some(format!("{code} is not one of its errors"));
        }
        // Substrate's codes have data of their own kinds.
        let is_ours = allod_rpc_api::ErrorCode::from_code(code.try_into().unwrap()).is_some();
        let data = error.get("data").filter(|_| is_ours)?;
        self.fault(data, self.data)
    }

    fn fault(&self, value: &Value, schema: SchemaIndex) -> Option<String> {
        let judged = self.schemas.validate(value, schema);
        judged.err().map(|error| format!("{error:#}"))
    }
}

/// The codes that a method names.
fn codes(document: &Value, method: &Value) -> BTreeSet<i64> {
    let named = method["errors"].as_array().into_iter().flatten();
    let resolved = named.map(|it| match it["$ref"].as_str() {
        Some(place) => document.pointer(place.strip_prefix('#').unwrap()).unwrap(),
        None => it,
    });
    resolved.map(|it| it["code"].as_i64().unwrap()).collect()
}

/// OpenRPC's meta-schema, without the name of the schema language's, which is known by another.
fn meta_schema() -> Value {
    let mut schema: Value = serde_json::from_str(include_str!("meta-schema.json")).unwrap();
    schema.as_object_mut().unwrap().remove("$schema");
    schema
}

//! Holds every answer that a test sees against `openapi.yaml`: the operation by method and path, the status, the
//! headers, the media type and the JSON schema of the body. What the contract does not say must not happen.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use reqwest::header::{ALLOW, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

use super::client::Answer;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "options", "trace"];

/// The contract, ready to be asked.
pub struct Contract {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The contract that the program carries.
pub fn contract() -> &'static Contract {
    static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::read(goodword::OPENAPI));
    &CONTRACT
}

impl Contract {
    pub fn read(yaml: &str) -> Self {
        let document = serde_saphyr::from_str(yaml).expect("openapi.yaml is YAML");
        Self { document, validators: Mutex::default() }
    }

    /// Every operation as (method in capitals, path).
    pub fn operations(&self) -> BTreeSet<(String, String)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let methods =
            |item: &Value| METHODS.into_iter().filter(|method| item.get(method).is_some()).collect::<Vec<_>>();
        paths
            .iter()
            .flat_map(|(path, item)| methods(item).into_iter().map(|method| (method.to_uppercase(), path.clone())))
            .collect()
    }

    /// Whether the operation asks for credentials.
    pub fn is_guarded(&self, method: &str, path: &str) -> bool {
        let security = &self.document["paths"][path][method.to_lowercase()]["security"];
        security.as_array().is_some_and(|ways| !ways.is_empty())
    }

    /// The values of a schema's `enum`.
    pub fn enumerated(&self, schema: &str) -> Vec<String> {
        let values = self.document["components"]["schemas"][schema]["enum"].as_array().expect("an enum");
        values.iter().map(|value| value.as_str().expect("text").to_owned()).collect()
    }

    /// Says what in `answer` the contract does not allow.
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
        self.check_frame(answer)?;
        let error =
            || self.check_body("an error of the frame", &json!({ "$ref": "#/components/schemas/Error" }), answer);
        let Some(template) = self.find_path(path) else {
            return match answer.status {
                401 | 404 => error(),
                other => Err(format!("no such path in openapi.yaml, so it must be 404, not {other}")),
            };
        };
        let item = &self.document["paths"][&template];
        let asked = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
        if item.get(&asked).is_none() {
            return match answer.status {
                401 => error(),
                405 => error().and_then(|()| check_allow(item, &answer.headers)),
                other => Err(format!("{template} has no {asked} in openapi.yaml, so it must be 405, not {other}")),
            };
        }
        let status = answer.status.to_string();
        let Some(documented) = item[&asked]["responses"].get(&status) else {
            return Err(format!("openapi.yaml does not document status {status} of {asked} {template}"));
        };
        let place = format!("{asked} {template} {status}");
        self.check_response(&place, self.resolve(documented), method == Method::HEAD, answer)
    }

    /// What holds for every answer: an id, which a refusal repeats in its body.
    fn check_frame(&self, answer: &Answer) -> Result<(), String> {
        let id = answer.headers.get("x-request-id").and_then(|id| id.to_str().ok()).ok_or("no X-Request-Id")?;
        match answer.json.get("request_id") {
            Some(said) if said != id => Err(format!("the body calls the request {said}, the header {id}")),
            _ => Ok(()),
        }
    }

    fn check_response(&self, place: &str, response: &Value, is_head: bool, answer: &Answer) -> Result<(), String> {
        let headers = response["headers"].as_object();
        for (name, header) in headers.into_iter().flatten() {
            self.check_header(name, self.resolve(header), &answer.headers)?;
        }
        let Some(content) = response["content"].as_object() else {
            return if answer.text.is_empty() {
                Ok(())
            } else {
                Err(format!("{place} has a body, openapi.yaml says none"))
            };
        };
        let media_type = media_type(&answer.headers).ok_or("no Content-Type")?;
        let documented = content.get(&media_type).ok_or(format!("{place} does not document {media_type}"))?;
        match (is_head, media_type.as_str()) {
            (true, _) if answer.text.is_empty() => Ok(()),
            (true, _) => Err("an answer to HEAD has a body".to_owned()),
            (false, "application/json") => self.check_body(place, &documented["schema"], answer),
            (false, "application/x-ndjson") => self.check_lines(place, &documented["x-item-schema"], answer),
            (false, _) => Ok(()),
        }
    }

    /// Each line as documented, with the number of a later line than the one before it.
    fn check_lines(&self, place: &str, schema: &Value, answer: &Answer) -> Result<(), String> {
        let id = answer.headers["x-request-id"].to_str().unwrap_or_default();
        let mut before = 0;
        for line in answer.text.split_inclusive('\n') {
            let whole = line.strip_suffix('\n').ok_or("the last line has no end")?;
            let value: Value = serde_json::from_str(whole).map_err(|fault| format!("{fault}: {whole}"))?;
            self.check_one_line(place, schema, id, &value)?;
            let number = value["line"].as_u64().unwrap_or_default();
            if number <= before {
                return Err(format!("line {number} is answered after line {before}"));
            }
            before = number;
        }
        Ok(())
    }

    /// Says what in a line of the answer to a request of many the contract does not allow.
    pub fn check_line(&self, method: &Method, path: &str, request_id: &str, line: &Value) -> Result<(), String> {
        let template = self.find_path(path).ok_or("no such path")?;
        let content = &self.document["paths"][&template][method.as_str().to_lowercase()]["responses"]["200"]["content"];
        self.check_one_line(&template, &content["application/x-ndjson"]["x-item-schema"], request_id, line)
    }

    fn check_one_line(&self, place: &str, schema: &Value, request_id: &str, line: &Value) -> Result<(), String> {
        if schema.is_null() {
            return Err(format!("{place} does not say what its lines are"));
        }
        match line["body"].get("request_id") {
            Some(said) if said != request_id => Err(format!("line {} calls the request {said}", line["line"])),
            _ => self.validate(place, schema, line),
        }
    }

    fn check_header(&self, name: &str, header: &Value, found: &HeaderMap) -> Result<(), String> {
        let Some(value) = found.get(name) else {
            return if header["required"] == json!(true) { Err(format!("no {name} header")) } else { Ok(()) };
        };
        let text = value.to_str().map_err(|_| format!("{name} is no text"))?;
        let typed = match header["schema"]["type"].as_str() {
            Some("integer") => text.parse::<i64>().map_or(json!(text), |number| json!(number)),
            _ => json!(text),
        };
        self.validate(&format!("header {name}"), &header["schema"], &typed)
    }

    fn check_body(&self, place: &str, schema: &Value, answer: &Answer) -> Result<(), String> {
        let said = media_type(&answer.headers);
        if said.as_deref() != Some("application/json") {
            return Err(format!("{place} must be application/json, not {said:?}"));
        }
        self.validate(place, schema, &answer.json)
    }

    fn validate(&self, place: &str, schema: &Value, value: &Value) -> Result<(), String> {
        let validator = self.validator(schema);
        let faults: Vec<String> =
            validator.iter_errors(value).map(|fault| format!("  at '{}': {fault}", fault.instance_path())).collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(format!("{place} is not as openapi.yaml says:\n{}", faults.join("\n")))
        }
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut root = schema.clone();
        let key = root.to_string();
        let mut validators = self.validators.lock().expect("no validation panics");
        let made = validators.entry(key).or_insert_with(|| {
            // With the components beside it, the schema's references lead somewhere.
            root["components"] = json!({ "schemas": self.document["components"]["schemas"] });
            let options = jsonschema::options().should_validate_formats(true);
            Arc::new(options.build(&root).expect("a schema of openapi.yaml"))
        });
        Arc::clone(made)
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).expect(reference),
            None => value,
        }
    }

    /// The documented path that `path` is routed to: with or without `/v1`, the most literal one first.
    fn find_path(&self, path: &str) -> Option<String> {
        let bare = path.split('?').next().unwrap_or_default();
        let asked: Vec<&str> = bare.split('/').filter(|segment| !segment.is_empty()).collect();
        let versioned: Vec<&str> = std::iter::once("v1").chain(asked.iter().copied()).collect();
        let paths = self.document["paths"].as_object().expect("paths");
        paths
            .keys()
            .filter(|template| matches(template, &asked) || matches(template, &versioned))
            .max_by_key(|template| literal_segments(template))
            .cloned()
    }
}

fn matches(template: &str, asked: &[&str]) -> bool {
    let segments: Vec<&str> = template.split('/').skip(1).collect();
    // No account is called v1.
    let reserved = segments[0].starts_with('{') && asked.first() == Some(&"v1");
    let fits = |(segment, asked): (&&str, &&str)| segment.starts_with('{') || segment == asked;
    !reserved && segments.len() == asked.len() && segments.iter().zip(asked).all(fits)
}

fn literal_segments(template: &str) -> usize {
    template.split('/').filter(|segment| !segment.starts_with('{')).count()
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// `Allow` must name the documented methods, and HEAD where there is GET.
fn check_allow(item: &Value, headers: &HeaderMap) -> Result<(), String> {
    let mut wanted: BTreeSet<&str> = METHODS.into_iter().filter(|method| item.get(method).is_some()).collect();
    if wanted.contains("get") {
        wanted.insert("head");
    }
    let allow = headers.get(ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default().to_lowercase();
    let found: BTreeSet<&str> = allow.split(',').map(str::trim).collect();
    if found == wanted { Ok(()) } else { Err(format!("Allow names {found:?}, openapi.yaml {wanted:?}")) }
}

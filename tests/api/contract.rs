//! `openapi.yaml` is law: its operations are the router's routes, its codes are the program's, and it is served.

use std::collections::BTreeSet;

use goodword::web::error::Code;
use reqwest::Method;
use syn::visit::Visit;
use syn::{Expr, ExprCall, ExprLit, ExprMethodCall, ItemFn, Lit};

use crate::harness::app::TestApp;
use crate::harness::contract::contract;

const ROUTER: &str = include_str!("../../src/router.rs");

#[test]
fn the_contract_and_the_router_know_the_same_operations() {
    assert_eq!(routes(ROUTER), contract().operations());
}

#[test]
fn a_route_is_read_out_of_the_source_with_each_of_its_methods() {
    let source = r#"
        fn merchants() { Router::new().route("/v1/a/{id}", get(x::find).merge(patch(x::change))).route("/v1/a", post(x)) }
        fn router() { merchants().route("/v1/{*unknown}", any(frame::no_route)) }
        fn public() { Router::new().route("/b", get(x).delete(x)) }"#;
    let found = routes(source);
    let wanted = [("GET", "/v1/a/{id}"), ("PATCH", "/v1/a/{id}"), ("POST", "/v1/a"), ("GET", "/b"), ("DELETE", "/b")];
    assert_eq!(found, wanted.map(|(method, path)| (method.to_owned(), path.to_owned())).into());
}

#[test]
fn the_contract_and_the_program_know_the_same_error_codes_once_each() {
    let documented = contract().enumerated("ErrorCode");
    let unique: BTreeSet<_> = documented.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), documented.len(), "a code stands twice in openapi.yaml");
    assert_eq!(unique, Code::ALL.iter().map(|code| code.as_str()).collect());
}

#[tokio::test]
async fn each_operation_is_there_with_the_version_and_without_and_asks_for_credentials_when_it_says_so() {
    let app = TestApp::start().await;
    for (method, path) in contract().operations() {
        let is_guarded = contract().is_guarded(&method, &path);
        let asked = path.replace("{account_alias}", "nobody").replace(['{', '}'], "");
        let method: Method = method.parse().expect("a method");
        for asked in [asked.as_str(), asked.strip_prefix("/v1").unwrap_or(&asked)] {
            let answer = app.anonymous().call(method.clone(), asked).await;
            assert_eq!(answer.status == 401, is_guarded, "{method} {asked}: {}", answer.text);
            assert_ne!(answer["error"]["code"], "method_not_allowed", "{method} {asked}");
            let answer = app.call(method.clone(), asked).await;
            assert_ne!(answer["error"]["code"], "method_not_allowed", "{method} {asked}");
            let is_known_to_none = asked.starts_with("/nobody/") || asked.starts_with("/t/");
            let is_nowhere = answer["error"]["code"] == "not_found" && !is_known_to_none;
            assert!(!is_nowhere || asked.contains("/order_id"), "{method} {asked} leads nowhere");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn the_contract_is_served_as_it_is_written() {
    let app = TestApp::start().await;
    let served = app.anonymous().get("/openapi.yaml").await.expect(200);
    assert_eq!(served.text, include_str!("../../openapi.yaml"));
    app.finish().await;
}

#[tokio::test]
async fn the_docs_page_loads_nothing_from_other_hosts() {
    let app = TestApp::start().await;
    let visitor = app.anonymous();
    let page = visitor.get("/docs").await.expect(200);
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    let sources: Vec<&str> = page.text.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(sources, ["/docs/scalar.js", "/docs/init.js"]);
    let init = visitor.get("/docs/init.js").await.expect(200);
    for text in [&page.text, &init.text] {
        assert!(!text.contains("://") && !text.contains("\"//"), "another host is named: {text}");
    }
    assert!(init.text.contains("\"/openapi.yaml\"") && init.text.contains("withDefaultFonts: false"));
    let script = visitor.get("/docs/scalar.js").await.expect(200);
    assert!(script.text.contains("createApiReference"), "the page's script is inside the binary");
    app.finish().await;
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let app = TestApp::start().await;
    for path in ["/v1/campaigns", "/v1/campaigns/53345", "/healthz", "/openapi.yaml", "/docs"] {
        let (get, head) = (app.get(path).await.expect(200), app.call(Method::HEAD, path).await.expect(200));
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.text.len().to_string(), "{path}");
    }
    app.call(Method::HEAD, "/v1/campaigns/1").await.expect(404);
    app.anonymous().call(Method::HEAD, "/v1/campaigns").await.expect(401);
    app.finish().await;
}

/// The routes in the source of a router, as (method, path).
fn routes(source: &str) -> BTreeSet<(String, String)> {
    let file = syn::parse_file(source).expect("Rust");
    let mut reader = Reader::default();
    reader.visit_file(&file);
    reader.routes
}

/// Collects `.route("/path", get(..).post(..))`, function by function, for the prefix goes with the function.
#[derive(Default)]
struct Reader {
    prefix: Option<&'static str>,
    routes: BTreeSet<(String, String)>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.prefix = match function.sig.ident.to_string().as_str() {
            "merchants" | "public" | "links" | "pages" => Some(""),
            _ => None,
        };
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        syn::visit::visit_expr_method_call(self, call);
        if call.method != "route" {
            return;
        }
        if call.args.get(1).is_some_and(leads_nowhere) {
            return;
        }
        let prefix =
            self.prefix.expect("this test knows the prefix of each function with routes: teach it the new one");
        let (Some(Expr::Lit(ExprLit { lit: Lit::Str(path), .. })), Some(service)) =
            (call.args.first(), call.args.get(1))
        else {
            panic!("a route's path is a literal, so that this test can read it");
        };
        let mut methods = Methods::default();
        methods.visit_expr(service);
        assert!(!methods.0.is_empty(), "{} has no method that this test can read", path.value());
        self.routes.extend(methods.0.into_iter().map(|method| (method, format!("{prefix}{}", path.value()))));
    }
}

/// Whether a route only answers that there is none: `any(frame::no_route)`.
fn leads_nowhere(service: &Expr) -> bool {
    let Expr::Call(call) = service else { return false };
    let last = |expr: &Expr| match expr {
        Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    };
    last(&call.func).as_deref() == Some("any") && call.args.first().and_then(last).as_deref() == Some("no_route")
}

/// Collects `get(..)` and `.post(..)`.
#[derive(Default)]
struct Methods(Vec<String>);

impl Methods {
    fn note(&mut self, name: &str) {
        if matches!(name, "get" | "post" | "put" | "patch" | "delete" | "options" | "trace") {
            self.0.push(name.to_uppercase());
        }
    }
}

impl<'ast> Visit<'ast> for Methods {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = call.func.as_ref()
            && let Some(last) = function.path.segments.last()
        {
            self.note(&last.ident.to_string());
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.note(&call.method.to_string());
        syn::visit::visit_expr_method_call(self, call);
    }
}

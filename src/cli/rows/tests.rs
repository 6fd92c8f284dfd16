//! Files as merchants write them.

use std::ops::ControlFlow;

use super::{Column, Default, FileFault, Layout, read};
use crate::web::fields::Fields;
use crate::web::json::Node;

const COLUMNS: [Column; 4] = [
    ("order.id", &["order_id", "id"]),
    ("order.amount", &["amount", "total"]),
    ("source", &["till"]),
    ("customer.first_name", &["first_name"]),
];

fn layout() -> Layout {
    let source = Default { field: "source", unless: &["till"], value: Node::Text("web".to_owned()) };
    Layout { columns: &COLUMNS, required: &[&["order.id"], &["order.amount"]], defaults: vec![source] }
}

/// A row as it is read: order id, amount, source, first name.
fn row(fields: &Fields<'_>) -> Option<[String; 4]> {
    let order = fields.required_object("order");
    let text = |fields: Option<&Fields<'_>>, key: &str| fields.and_then(|fields| fields.text_or_number(key));
    let customer = fields.object("customer");
    let id = order.as_ref().and_then(|order| order.require::<String>("id"));
    Some([
        id?,
        text(order.as_ref(), "amount").unwrap_or_default(),
        text(Some(fields), "source").unwrap_or_default(),
        text(customer.as_ref(), "first_name").unwrap_or_default(),
    ])
}

/// Each row's line with its cells, or the code it is refused with.
type Found = Vec<(u64, Result<String, &'static str>)>;

fn all(file: &[u8]) -> Result<(Found, Vec<String>), FileFault> {
    let mut found = Vec::new();
    let file = std::io::Cursor::new(file.to_owned());
    let not_read = read(file, &layout(), &row, &mut |one| {
        let row = one.row.map(|cells| cells.join("|")).map_err(|refusal| refusal.code().as_str());
        found.push((one.line, row));
        ControlFlow::Continue(())
    })?;
    Ok((found, not_read))
}

fn good(line: u64, cells: &str) -> (u64, Result<String, &'static str>) {
    (line, Ok(cells.to_owned()))
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn a_table_is_read_in_every_form_in_which_spreadsheets_write_it() {
    let rows = [good(2, "281|9.50|web|Zoë"), good(3, "0282|1|t-1|")];
    let table = "order_id,Total,till,First Name\n281,9.50,,Zoë\n0282,1,t-1,\n";
    let forms = [
        table.as_bytes().to_vec(),
        format!("\u{feff}{table}").into(),
        table.replace('\n', "\r\n").into(),
        table.replace('\n', "\r").into(),
        table.trim_end().into(),
        table.replace(',', ";").into(),
        table.replace(',', "\t").into(),
        table.replace("281", " \"281\" ").replace(" \"", "\"").replace("\" ", "\"").into(),
        table.replace("order_id", "order.id").into(),
        table.replace("order_id", "ORDER-ID").into(),
        utf16(&format!("\u{feff}{table}"), u16::to_le_bytes),
        utf16(&format!("\u{feff}{table}"), u16::to_be_bytes),
        utf16(table, u16::to_le_bytes),
        utf16(table, u16::to_be_bytes),
    ];
    for (n, form) in forms.iter().enumerate() {
        let (found, not_read) = all(form).unwrap_or_else(|fault| panic!("form {n}: {fault}"));
        assert_eq!((found.as_slice(), not_read.len()), (rows.as_slice(), 0), "form {n}");
    }
}

#[test]
fn lines_of_json_are_read_with_what_was_said_for_all() {
    let file = b"\xEF\xBB\xBF{\"order\":{\"id\":\"1\",\"amount\":\"2\"}}\n\n{\"order\":{\"id\":\"2\"},\"source\":null}\nnope\n{\"order\":{\"id\":\"3\"},\"source\":\"t\"}";
    let (found, _) = all(file).expect("a good file");
    assert_eq!(found, [good(1, "1|2|web|"), good(3, "2||web|"), (4, Err("invalid_json")), good(5, "3||t|")]);
}

#[test]
fn rows_are_numbered_by_the_line_they_begin_in_and_bad_ones_stop_nobody() {
    let file = b"id,amount,first_name,extra,\n1,2,\"two\nlines\",x,\n\n,,,,\n,5,,,\n3,4,a,b,c,d\n4,\xff,,,\n5,6,,,\n";
    let (found, not_read) = all(file).expect("a good file");
    assert_eq!(
        found,
        [
            (2, Err("invalid_string")),
            (6, Err("missing")),
            (7, Err("invalid_value")),
            (8, Err("invalid_utf8")),
            good(9, "5|6|web|"),
        ]
    );
    assert_eq!(not_read, ["extra"]);
}

#[test]
fn of_two_columns_that_could_be_one_field_the_likelier_is_read_and_the_other_named() {
    let (found, not_read) = all(b"id,order_id,amount\n77,281,1\n").expect("a good file");
    assert_eq!((found, not_read), (vec![good(2, "281|1|web|")], vec!["id".to_owned()]));
}

#[test]
fn a_file_of_which_nothing_can_be_made_is_refused_whole() {
    let long = format!("id,amount\n1,\"{}", "x\n".repeat(1 << 20));
    let cases: [(&[u8], &str); 8] = [
        (b"", "empty"),
        (b" \r\n\n", "empty"),
        (b"[{\"order\":{}}]", "jq"),
        (b"name,amount\n1,2\n", "order.id"),
        (b"id;name\n1;2\n", "order.amount"),
        (b"id,amount\n1,2\n3,\"4\n5,6\n", "line 3"),
        (long.as_bytes(), "line 2"),
        (b"281,9.50\n282,1\n", "order.id"),
    ];
    for (file, said) in cases {
        let shown = String::from_utf8_lossy(&file[..file.len().min(40)]).into_owned();
        let fault = all(file).expect_err(&shown).to_string();
        assert!(fault.contains(said), "{shown:?}: {fault}");
    }
}

#[test]
fn reading_ends_when_nobody_wants_more() {
    for file in ["id,amount\n1,1\n2,2\n3,3\n", "{\"order\":{\"id\":\"1\"}}\n{\"order\":{\"id\":\"2\"}}\n{}\n"] {
        let mut seen = 0;
        read(std::io::Cursor::new(file.to_owned()), &layout(), &row, &mut |_| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("a good file");
        assert_eq!(seen, 2, "{file}");
    }
}

//! Files as merchants send them. Numbers such as C8 are rows of the table of hostile uploads (CSV bank upload).

use std::io::{Cursor, Read};

use super::*;
use crate::types::codes::InvalidCode;
use proptest::prelude::*;

/// What came of a file: `line:code`, `line:code/pin` or `line!reason` for each row; then the summary or the fault.
fn load(input: impl Read, format: Format) -> (Vec<String>, Result<Summary, ReadError>) {
    let mut rows = Vec::new();
    let outcome = read(input, format, &mut |row| {
        rows.push(match row {
            Ok(Row { line, code, pin: None }) => format!("{line}:{}", code.as_str()),
            Ok(Row { line, code, pin: Some(pin) }) => format!("{line}:{}/{}", code.as_str(), pin.expose()),
            Err(Refused { line, reason, .. }) => format!("{line}!{}", reason.as_str()),
        });
        Ok(())
    });
    (rows, outcome)
}

fn rows(input: impl AsRef<[u8]>, format: Format) -> String {
    let (rows, outcome) = load(input.as_ref(), format);
    outcome.unwrap();
    rows.join(" ")
}

fn text(input: impl AsRef<[u8]>) -> String {
    rows(input, Format::Text)
}

fn summary(input: impl AsRef<[u8]>) -> Summary {
    load(input.as_ref(), Format::Text).1.unwrap()
}

fn fault(input: impl AsRef<[u8]>, format: Format) -> FileFault {
    match load(input.as_ref(), format).1 {
        Err(ReadError::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn refusals(input: &str) -> Vec<Refused> {
    let mut refusals = Vec::new();
    read(input.as_bytes(), Format::Text, &mut |row| {
        refusals.extend(row.err());
        Ok(())
    })
    .unwrap();
    refusals
}

#[test]
fn columns_and_lines_are_read_as_they_come() {
    for (file, expected) in [
        ("A1\nA2\n", "1:A1 2:A2"),
        ("A1,77\nA2\nA3,\n", "1:A1/77 2:A2 3:A3"),
        ("CODE\nA1\n", "2:A1"),                                           // C2
        (" Coupon Code ;pin\nA1;77\n", "2:A1/77"),                        // C2
        ("\n\"coupon_code\",note\nA1,7,x,y\n", "3:A1/7"),                 // C2
        ("A1\ncode\n", "1:A1 2:code"),                                    // only the first line is a header
        ("\u{feff}A1\nA2", "1:A1 2:A2"),                                  // C3
        ("\u{feff}\u{feff}\"A1\"\nA2", "1:A1 2:A2"),                      // C3, joined files
        ("\u{feff}code\nA1", "2:A1"),                                     // C3
        ("A1\r\nA2\rA3\nA4", "1:A1 2:A2 3:A3 4:A4"),                      // C6
        ("A1\rA2\r", "1:A1 2:A2"),                                        // C6
        ("\r\n\r\nA1\r\n\r\n  \r\nA2,1\r\n,,\r\nA3", "3:A1 6:A2/1 8:A3"), // C6, lines with nothing in them
        ("00123\n", "1:00123"),                                           // C12
        ("  A1\t\n", "1:A1"),                                             // C9
        ("A1;77;x\nA2\n", "1:A1/77 2:A2"),
        ("A1\t77\nA2\t\n", "1:A1/77 2:A2"),
        ("A1;x,77\n", "1:A1;x/77"),   // comma first
        ("\"A,1\";77\n", "1:A,1/77"), // not within quotes
        (",77\nA2,\n", "1!empty 2:A2"),
        ("SUMMER SALE,\"a, b\"\n", "1:SUMMER SALE/a, b"),
    ] {
        assert_eq!(text(file), expected, "{file:?}");
    }
}

#[test]
fn quotes_are_taken_as_csv_has_them() {
    for (file, expected) in [
        ("\"a\"\"b\"\nA2", "1:a\"b 2:A2"), // C8
        ("5\"-OFF\nA2", "1:5\"-OFF 2:A2"),
        ("A1,5\"\nA2", "1:A1/5\" 2:A2"),
        ("\"A1\nx\",7\nA3", "1!invalid_code 3:A3"), // C8
        ("A1,\"7\r\n7\"\r\nA3", "1!invalid_pin 3:A3"),
        ("\"A1\" ,\"7\" \n\"A2\"", "1:A1/7 2:A2"),
        ("\"A\"1\nA2", "1!invalid_code 2:A2"), // which of the quotes is meant?
        ("\"\"\nA2", "2:A2"),
    ] {
        assert_eq!(text(file), expected, "{file:?}");
    }
    let long = format!("A1\nA2,\"{}", "7\n".repeat(LINE_BYTES_MAX));
    for (file, line) in [
        ("A1\nA2\n\"A3\nA4\n", 3), // C8
        ("A1\n\n\n\"\nA4\nA5", 4),
        ("A1\n\"A2\n\"A3\"\n", 2), // closed by the quote that opens the next
        ("A1\r\"A2\"\"\rA3", 2),
        ("\"", 1),
        (long.as_str(), 2),
    ] {
        assert_eq!(fault(file, Format::Text), FileFault::UnbalancedQuote { line }, "{file:.20}");
    }
}

#[test]
fn other_faults_refuse_their_row_alone() {
    let columns = |count: usize| format!("A1{}", ",".repeat(count - 1));
    for (row, reason) in [
        ("=cmd|'/c calc'!A1", "invalid_code"), // C14
        ("@SUM", "invalid_code"),
        ("+1", "invalid_code"),
        ("-1", "invalid_code"),
        ("A\u{0}1", "invalid_code"), // C15
        ("A\u{7}1", "invalid_code"),
        ("A\u{200b}1", "invalid_code"),
        ("\u{202e}A1", "invalid_code"),
        ("A\u{a0}1", "invalid_code"),
        ("Сlooney1", "invalid_code"),
        ("A1,7\u{7}7", "invalid_pin"),
        (&"A".repeat(65), "too_long"),
        (&format!("A1,{}", "7".repeat(256)), "invalid_pin"),
        (&columns(101), "too_many_columns"),    // C24
        (&columns(10_000), "too_many_columns"), // C24
    ] {
        assert_eq!(text(format!("GOOD1\n{row}\nGOOD2,1\n")), format!("1:GOOD1 2!{reason} 3:GOOD2/1"), "{row:.80}");
    }
    assert_eq!(text(columns(100)), "1:A1");
    let counts = summary("GOOD1\n+1\n");
    assert_eq!((counts.rows, counts.refused), (1, 1));
}

#[test]
fn a_refusal_says_what_is_wrong_and_shows_only_what_can_be_seen() {
    let refused = refusals("GOOD1\n +1 \nA\u{200b}1\nСlooney1\n");
    assert_eq!(refused[0].code.as_deref(), Some("+1"));
    assert_eq!(refused[0].fault, Some(InvalidCode::Formula('+')));
    assert_eq!(refused[1].code, None);
    assert!(refused[1].explain().contains("U+200B"));
    assert_eq!(refused[2].fault, Some(InvalidCode::MixedScripts));
    let long = refusals(&"A".repeat(65)).remove(0).code;
    assert_eq!(long, Some("A".repeat(64)));
    let pin = Pin::try_from("s3cret").unwrap();
    assert!(!format!("{pin:?}").contains("s3cret"));
}

#[test]
fn files_with_nothing_to_load_are_refused() {
    for file in ["", "\u{feff}", " \r\n\t\n", "code", "\u{feff}coupon,pin\r\n\r\n", ",,\n", "\"\""] {
        assert_eq!(fault(file, Format::Text), FileFault::EmptyFile, "{file:?}");
    }
    for file in ["", "\u{feff}", "\n ", "[]", "{}", "{\"coupons\":[]}", "{\"codes\":[\"A1\"]}"] {
        assert_eq!(fault(file, Format::Json), FileFault::EmptyFile, "{file:?}");
    }
}

#[test]
fn text_in_another_encoding_is_refused_with_its_lines() {
    let undecodable = |lines: &[u64]| FileFault::Undecodable { lines: lines.to_vec() };
    let latin = b"A1\r\n\xc9T\xc9\r\nA3\rCAF\xe9\n"; // C5
    assert_eq!(fault(latin, Format::Text), undecodable(&[2, 4]));
    assert_eq!(fault(b"[\"\xc9\",\n\"\xc9\"]", Format::Json), undecodable(&[1, 2]));
    assert_eq!(fault(b"A1\nA2\xc3", Format::Text), undecodable(&[2])); // cut within a character
    assert_eq!(fault(b"\xff\xfeA\0\n\0B", Format::Text), undecodable(&[2]));
    let many: Vec<u8> = b"good\n".repeat(50_000).into_iter().chain(b"b\xe4d\n".repeat(50_000)).collect();
    assert_eq!(fault(&many, Format::Text), undecodable(&(50_001..=50_020).collect::<Vec<_>>()));
    let far = [&b"\xe4\n"[..], &b"good\r\n".repeat(50_000), b"\xe4\r\n\xe4"].concat();
    assert_eq!(fault(&far, Format::Text), undecodable(&[1, 50_002, 50_003]));
    assert!(fault(latin, Format::Text).to_string().contains("lines 2, 4."));
}

#[test]
fn utf_16_is_read_with_and_without_a_mark() {
    let text = "coupon;pin\r\nÉTÉ;77\r\n\"a\"\"b\"\r\n";
    for (big, name) in [(false, "UTF-16LE"), (true, "UTF-16BE")] {
        let encode = |text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        for file in [encode(&format!("\u{feff}{text}")), encode(text)] {
            assert_eq!(rows(&file, Format::Text), "2:ÉTÉ/77 3:a\"b");
            let summary = summary(&file);
            assert_eq!((summary.encoding, summary.delimiter, summary.header_skipped), (name, Some(';'), true));
        }
        assert_eq!(rows(encode("[\"A1\"]"), Format::Json), "1:A1");
    }
    assert_eq!(summary("A\u{0}B\nC1\n").encoding, "UTF-8");
}

#[test]
fn long_lines_are_refused_without_keeping_them() {
    let full = "A".repeat(LINE_BYTES_MAX);
    assert_eq!(text(format!("A1\n{full}\nA3\n{full}")), "1:A1 2!too_long 3:A3 4!too_long");
    for file in [format!("A1\n\n{full}A\nA4"), format!("A1\n\n\"{full}"), format!("A1\n\n{}", full.repeat(160))] {
        assert_eq!(fault(file, Format::Text), FileFault::LineTooLong { line: 3 }); // C24
    }
    assert_eq!(rows(format!("[\"{full}\"]"), Format::Json), "1!too_long");
    for file in [format!("[\n\"{full}A\"]"), format!("{{\n\"x\":\"{full}A\"}}"), format!("[\n\"\\\"{full}\"]")] {
        assert_eq!(fault(file, Format::Json), FileFault::LineTooLong { line: 2 });
    }
}

#[test]
fn json_is_read_in_both_forms() {
    for (file, expected) in [
        (r#"["A1", {"code":"A2","pin":"77"}, {"code":"A3","pin":null,"note":[1]}]"#, "1:A1 2:A2/77 3:A3"),
        (r#"{"bank":{"coupons":[1]},"coupons":["A1"],"x":1}"#, "1:A1"),
        ("\u{feff}\r[\"A\\u00311\"]", "1:A11"),
        (r#"[123, {"code":18446744073709551615,"pin":7}]"#, "1:123 2:18446744073709551615/7"),
        ("[18446744073709551616, 1.0, 1e3, -1]", "1!invalid_code 2!invalid_code 3!invalid_code 4!invalid_code"),
        (r#"[null, true, [["A"]], "A4"]"#, "1!invalid_code 2!invalid_code 3!invalid_code 4:A4"),
        (r#"["", {"pin":"7"}, {"code":null}, {}]"#, "1!empty 2!empty 3!empty 4!empty"),
        (
            r#"[{"code":{"code":"A1"}}, {"code":"A2","pin":{}}, {"code":"A3","pin":1.5}]"#,
            "1!invalid_code 2!invalid_pin 3!invalid_pin",
        ),
        (r#"["=1+1", "A\u0000", "A\u200b1", "code"]"#, "1!invalid_code 2!invalid_code 3!invalid_code 4:code"),
    ] {
        assert_eq!(rows(file, Format::Json), expected, "{file}");
    }
    let summary = load(&b"[1]"[..], Format::Json).1.unwrap();
    assert_eq!((summary.encoding, summary.delimiter, summary.header_skipped), ("UTF-8", None, false));
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (file, line, column, part) in [
        ("[\"A1\",\n\"A2\"", 2, 4, "EOF"),
        ("A1\nA2", 1, 1, "expected value"),
        ("[\"A1\"]\n[", 2, 1, "trailing characters"),
        ("[00123]", 1, 3, "invalid number"),
        ("\"A1\"", 1, 4, "a list of coupons"),
        ("{\"coupons\":{\"coupons\":[1]}}", 1, 12, "a list of coupons"),
    ] {
        match fault(file, Format::Json) {
            FileFault::InvalidJson { line: l, column: c, message } => {
                assert_eq!((l, c), (line, column), "{file}: {message}");
                assert!(message.contains(part) && !message.contains("line"), "{message}");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(fault(deep, Format::Json).code(), "invalid_json");
}

/// Gives one byte a read.
struct Trickle<R>(R);

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

#[test]
fn how_the_bytes_arrive_does_not_matter() {
    for file in ["\u{feff}code;pin\r\nÉTÉ;\"7\r\n7\"\r\n\r\nA4;1\rA5", "\"A\"\"1\"\n\"A2\n", "A1\r\n\u{e9}"] {
        let whole = load(file.as_bytes(), Format::Text);
        let trickled = load(Trickle(file.as_bytes()), Format::Text);
        assert_eq!(whole.0, trickled.0);
        assert_eq!(format!("{:?}", whole.1), format!("{:?}", trickled.1));
    }
    // Line ends, quotes and characters across every border between chunks.
    for shift in 0..4 {
        let file = format!("{}\n{}", "A".repeat(shift), "É1,\"2\"\r\n".repeat(40_000));
        assert_eq!(summary(&file).rows, 40_000 + u64::from(shift > 0));
        assert!(text(&file).ends_with("40001:É1/2"));
    }
}

#[test]
fn an_upload_cut_off_is_no_fault_of_the_file() {
    struct Cut;
    impl Read for Cut {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    for (format, start) in [(Format::Text, "A1\nA2"), (Format::Json, "[\"A1\",")] {
        let outcome = load(start.as_bytes().chain(Cut), format).1;
        assert!(
            matches!(&outcome, Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_closed_sink_ends_the_reading() {
    for (format, file) in [(Format::Text, "A1\nA2\nA3"), (Format::Json, "[1,2,3]")] {
        let mut seen = 0;
        let outcome = read(file.as_bytes(), format, &mut |_| {
            seen += 1;
            if seen == 2 { Err(SinkClosed) } else { Ok(()) }
        });
        assert!(matches!(outcome, Err(ReadError::SinkClosed(SinkClosed))));
        assert_eq!(seen, 2);
    }
}

/// Repeats a piece of a file without end.
struct Endless(Cursor<Vec<u8>>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.position() == self.0.get_ref().len() as u64 {
            self.0.set_position(0);
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_million_rows_stream_through() {
    let piece = "A1,7\r\n".repeat(1000);
    let bytes = 1000 * piece.len() as u64;
    let input = Endless(Cursor::new(piece.into_bytes())).take(bytes);
    let summary = read(input, Format::Text, &mut |_| Ok(())).unwrap();
    assert_eq!((summary.rows, summary.refused), (1_000_000, 0));
}

proptest! {
    #[test]
    fn what_csv_writes_is_read_back(
        codes in prop::collection::vec(("[A-Za-z0-9É\",;'# ]{1,64}", prop::option::of("[!-~]{1,20}")), 1..40),
        delimiter in prop::sample::select(&b",;\t"[..]),
        crlf: bool,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut file = csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
        // The header shows the delimiter, which the rows alone may leave open.
        file.write_record(["code", "pin"]).unwrap();
        let mut expected = Vec::new();
        for (code, pin) in &codes {
            let Ok(code) = crate::types::codes::CouponCode::try_from(code.as_str()) else { continue };
            file.write_record([code.as_str(), pin.as_deref().unwrap_or_default()]).unwrap();
            expected.push((code, pin.clone()));
        }
        prop_assume!(!expected.is_empty());
        let mut found = Vec::new();
        read(file.into_inner().unwrap().as_slice(), Format::Text, &mut |row| {
            found.push(row.map(|row| (row.code, row.pin.map(|pin| pin.expose().to_owned()))).unwrap());
            Ok(())
        }).unwrap();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_end_in_an_answer(file: Vec<u8>, json in "[A\",: \\\\\\[\\]{}\u{feff}É]{0,40}") {
        for format in [Format::Text, Format::Json] {
            let _ = load(file.as_slice(), format);
            let _ = load(json.as_bytes(), format);
        }
    }

    /// Holds what `quotes` builds on: it and the parser agree on where each record starts.
    #[test]
    fn records_are_those_of_the_csv_parser(body in "[A\",\n ]{0,40}") {
        let file = format!("code,pin\n{body}");
        let mut parser = csv::ReaderBuilder::new().flexible(true).from_reader(file.as_bytes());
        let mut expected = Vec::new();
        for record in parser.records() {
            let record = record.unwrap();
            let place = record.position().unwrap();
            let start = &file[usize::try_from(place.byte()).unwrap()..];
            let empty_lines = start.len() - start.trim_start_matches('\n').len();
            if record.iter().any(|cell| !cell.trim().is_empty()) {
                expected.push((place.line() + empty_lines as u64, record[0].trim().to_owned()));
            }
        }
        let mut found = Vec::new();
        let outcome = read(file.as_bytes(), Format::Text, &mut |row| {
            found.push(row.map_or_else(|row| (row.line, None), |row| (row.line, Some(row.code.as_str().to_owned()))));
            Ok(())
        });
        if outcome.is_ok() {
            prop_assert_eq!(found.len(), expected.len());
        }
        for (found, expected) in found.into_iter().zip(expected) {
            prop_assert_eq!(found.0, expected.0);
            prop_assert!(found.1.is_none_or(|code| code == expected.1));
        }
    }
}

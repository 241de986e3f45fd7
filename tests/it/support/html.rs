//! As much of HTML as a browser without JavaScript needs to fill in a form.

/// A form of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// `method`, in lower case; `get` where there is none.
    pub method: String,
    /// `action` as written; empty means the page itself.
    pub action: String,
    /// What would be sent: names and values, buttons aside.
    pub fields: Vec<(String, String)>,
    /// The submit buttons that have a name.
    pub buttons: Vec<(String, String)>,
}

impl Form {
    /// Whether there is such an input.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(own, _)| own == name)
    }

    /// The value of an input.
    pub fn value(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(own, _)| own == name);
        field.map(|(_, value)| value.as_str())
    }

    /// With an input filled in.
    #[must_use]
    #[track_caller]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(own, _)| own == name);
        let (_, own) = field.unwrap_or_else(|| panic!("the form has no input {name}"));
        value.clone_into(own);
        self
    }

    /// With a submit button pressed.
    #[must_use]
    #[track_caller]
    pub fn press(mut self, name: &str, value: &str) -> Self {
        let button = (name.to_owned(), value.to_owned());
        assert!(
            self.buttons.contains(&button),
            "no such button: {button:?} in {:?}",
            self.buttons
        );
        self.fields.push(button);
        self
    }
}

/// A tag, with its attributes decoded.
#[derive(Clone, Debug)]
pub struct Tag {
    /// The name in lower case; that of an end tag begins with `/`.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// An attribute's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let attribute = self.attributes.iter().find(|(own, _)| own == name);
        attribute.map(|(_, value)| value.as_str())
    }
}

/// Every tag of a page, in order.
pub fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let name_end = rest
            .find(|c: char| c.is_whitespace() || c == '>')
            .unwrap_or(rest.len());
        let name = rest[..name_end].to_ascii_lowercase();
        rest = &rest[name_end..];
        let mut attributes = Vec::new();
        while let Some((attribute, after)) = attribute(rest) {
            attributes.push(attribute);
            rest = after;
        }
        tags.push(Tag { name, attributes });
    }
    tags
}

fn attribute(text: &str) -> Option<((String, String), &str)> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
    if text.is_empty() || text.starts_with('>') {
        return None;
    }
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
        .unwrap_or(text.len());
    let (name, rest) = (text[..end].to_ascii_lowercase(), &text[end..]);
    let Some(value) = rest.strip_prefix('=') else {
        return Some(((name, String::new()), rest));
    };
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
        _ => {
            let end = value
                .find(|c: char| c.is_whitespace() || c == '>')
                .unwrap_or(value.len());
            value.split_at(end)
        }
    };
    Some(((name, unescape(value)), rest))
}

/// Decodes character references.
pub fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, tail) = after.split_once(';').unwrap_or((after, ""));
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let decoded = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
                (Some(digits), _) => number(digits, 16),
                (None, Some(digits)) => number(digits, 10),
                (None, None) => None,
            },
        };
        match decoded {
            Some(c) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Every form of a page.
pub fn forms(html: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    let mut select = None;
    for tag in tags(html) {
        let text = |name: &str| tag.get(name).unwrap_or_default().to_owned();
        match (tag.name.as_str(), &mut open) {
            ("form", _) => {
                let method = tag.get("method").unwrap_or("get").to_ascii_lowercase();
                let action = text("action");
                forms.extend(open.replace(Form {
                    method,
                    action,
                    ..Form::default()
                }));
            }
            ("/form", open) => forms.extend(open.take()),
            ("input", Some(form)) => match (tag.get("type").unwrap_or("text"), tag.get("name")) {
                ("submit", Some(name)) => form.buttons.push((name.to_owned(), text("value"))),
                ("checkbox" | "radio", Some(_)) if tag.get("checked").is_none() => {}
                ("checkbox" | "radio", Some(name)) => {
                    form.fields
                        .push((name.to_owned(), tag.get("value").unwrap_or("on").to_owned()));
                }
                ("submit" | "button" | "reset" | "image", _) | (_, None) => {}
                (_, Some(name)) => form.fields.push((name.to_owned(), text("value"))),
            },
            ("button", Some(form)) if tag.get("type").is_none_or(|kind| kind == "submit") => {
                if let Some(name) = tag.get("name") {
                    form.buttons.push((name.to_owned(), text("value")));
                }
            }
            ("select", _) => select = tag.get("name").map(str::to_owned),
            ("/select", _) => select = None,
            ("option", Some(form)) => {
                if let Some(name) = &select
                    && (tag.get("selected").is_some() || !form.has(name))
                {
                    form.fields.retain(|(own, _)| own != name);
                    form.fields.push((name.clone(), text("value")));
                }
            }
            ("textarea", Some(form)) => {
                if let Some(name) = tag.get("name") {
                    form.fields.push((name.to_owned(), String::new()));
                }
            }
            _ => {}
        }
    }
    forms.extend(open);
    forms
}

#[test]
fn a_form_is_read_as_a_browser_reads_it() {
    let html = r#"<!-- <form> --><form method=POST action="/x?a=1&amp;b=2"><input type=hidden name='csrf' value="a&#x22;&lt;&#39;">
        <input name=username autofocus required><input type="checkbox" name="keep"><input type="radio" name="r" value="1" checked/>
        <button name="decision" value="allow">Yes</button><button type="button" name="no">No</button></form><form></form>"#;
    let forms = forms(html);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let want = Form {
        method: "post".to_owned(),
        action: "/x?a=1&b=2".to_owned(),
        fields: vec![pair("csrf", "a\"<'"), pair("username", ""), pair("r", "1")],
        buttons: vec![pair("decision", "allow")],
    };
    assert_eq!(forms[0], want);
    assert_eq!(forms.len(), 2);
    let filled = forms[0]
        .clone()
        .fill("username", "alice")
        .press("decision", "allow");
    assert_eq!(filled.value("username"), Some("alice"));
}

//! Formulas of Word and PowerPoint files (ISO/IEC 29500-1, 22.1) in the notation of TeX, which people and models read.

use super::xml::{Element, Node};

/// A formula on one line.
pub fn line(formula: &Element) -> String {
    let mut line = String::new();
    write(formula, &mut line);
    line
}

fn write(element: &Element, out: &mut String) {
    for node in element.nodes() {
        if let Node::Element(inner) = node {
            construct(inner, out);
        }
    }
}

fn construct(element: &Element, out: &mut String) {
    let part = |name: &str| element.child(name).map(line).unwrap_or_default();
    let property = |name: &str| element.elements().find_map(|properties| properties.value(name));
    match element.name() {
        "t" => out.push_str(&element.text()),
        "f" => match property("type") {
            Some("noBar") => out.push_str(&format!("\\binom{{{}}}{{{}}}", part("num"), part("den"))),
            _ => out.push_str(&format!("\\frac{{{}}}{{{}}}", part("num"), part("den"))),
        },
        "sSup" => out.push_str(&format!("{}^{{{}}}", base(&part("e")), part("sup"))),
        "sSub" => out.push_str(&format!("{}_{{{}}}", base(&part("e")), part("sub"))),
        "sSubSup" => out.push_str(&format!("{}_{{{}}}^{{{}}}", base(&part("e")), part("sub"), part("sup"))),
        "sPre" => out.push_str(&format!("{{}}_{{{}}}^{{{}}}{}", part("sub"), part("sup"), part("e"))),
        "rad" => match part("deg").as_str() {
            "" => out.push_str(&format!("\\sqrt{{{}}}", part("e"))),
            degree => out.push_str(&format!("\\sqrt[{degree}]{{{}}}", part("e"))),
        },
        "nary" => {
            let sign = property("chr").unwrap_or("∫");
            out.push_str(&format!("{}_{{{}}}^{{{}}}{}", operator(sign), part("sub"), part("sup"), part("e")));
        }
        "d" => {
            let inner: Vec<String> = element.elements().filter(|inner| inner.name() == "e").map(line).collect();
            let (left, right) = (property("begChr").unwrap_or("("), property("endChr").unwrap_or(")"));
            out.push_str(&format!("\\left{left}{}\\right{right}", inner.join(property("sepChr").unwrap_or("|"))));
        }
        "func" => out.push_str(&format!("{}({})", function(&part("fName")), part("e"))),
        "limLow" => out.push_str(&format!("{}_{{{}}}", function(&part("e")), part("lim"))),
        "limUpp" => out.push_str(&format!("\\overset{{{}}}{{{}}}", part("lim"), part("e"))),
        "groupChr" if property("pos") == Some("top") => out.push_str(&format!("\\overbrace{{{}}}", part("e"))),
        "groupChr" => out.push_str(&format!("\\underbrace{{{}}}", part("e"))),
        "bar" => out.push_str(&format!("\\overline{{{}}}", part("e"))),
        "m" | "eqArr" => {
            let rows = element.elements().filter(|row| matches!(row.name(), "mr" | "e")).map(|row| match row.name() {
                "mr" => row.elements().map(line).collect::<Vec<_>>().join(" & "),
                _ => line(row),
            });
            out.push_str(&rows.collect::<Vec<_>>().join(" \\\\ "));
        }
        // Properties say how, not what.
        name if name.ends_with("Pr") => {}
        _ => write(element, out),
    }
}

/// What stands below or above something, in braces where it is more than one sign.
fn base(text: &str) -> String {
    if text.starts_with('\\') { format!("{{{text}}}") } else { text.to_owned() }
}

fn operator(sign: &str) -> &str {
    match sign {
        "∑" => "\\sum",
        "∏" => "\\prod",
        "∫" => "\\int",
        "∬" => "\\iint",
        "∭" => "\\iiint",
        "∮" => "\\oint",
        "∯" => "\\oiint",
        "∰" => "\\oiiint",
        "⋃" => "\\bigcup",
        "⋂" => "\\bigcap",
        "⋀" => "\\bigwedge",
        "⋁" => "\\bigvee",
        other => other,
    }
}

fn function(name: &str) -> String {
    const NAMED: &[&str] = &[
        "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "lim", "max", "min", "sup", "inf", "arcsin",
        "arccos", "arctan", "sinh", "cosh", "tanh", "det", "gcd", "arg",
    ];
    if NAMED.contains(&name.trim()) { format!("\\{}", name.trim()) } else { name.to_owned() }
}

//! Charts of Word and PowerPoint files: the numbers they were drawn from, as a table.

use super::table::{Cell, Table};
use super::xml::Element;

/// The table behind a chart: a column a series, a row a category. Empty where the chart keeps no values.
pub fn table(chart: &Element) -> String {
    let series: Vec<&Element> = chart.all("ser").collect();
    let points = |part: &Element| -> Vec<(usize, String)> {
        let point = |point: &Element| Some((point.attribute("idx")?.parse().ok()?, point.child("v")?.text()));
        part.all("pt").filter_map(point).collect()
    };
    let categories = series.iter().find_map(|series| series.child("cat").map(points)).unwrap_or_default();
    let columns: Vec<(String, Vec<(usize, String)>)> = series
        .iter()
        .map(|series| {
            let name = series.child("tx").map(|name| name.all("v").map(Element::text).collect()).unwrap_or_default();
            let values = series.child("val").or(series.child("yVal")).map(points).unwrap_or_default();
            (name, values)
        })
        .collect();
    let rows = columns.iter().map(|(_, values)| values.len()).chain([categories.len()]).max().unwrap_or_default();
    let at = |points: &[(usize, String)], row: usize| {
        points.iter().find(|(at, _)| *at == row).map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let cells = |texts: Vec<String>| texts.into_iter().map(|text| Cell { text, ..Cell::default() });
    let mut table = Table::default();
    if rows > 0 {
        table.row(cells(std::iter::once(String::new()).chain(columns.iter().map(|(name, _)| name.clone())).collect()));
    }
    for row in 0..rows {
        let values = columns.iter().map(|(_, values)| at(values, row));
        table.row(cells(std::iter::once(at(&categories, row)).chain(values).collect()));
    }
    table.lines()
}

/// The title a chart shows.
pub fn title(chart: &Element) -> Option<String> {
    let title = chart.all("title").next()?;
    let texts: Vec<String> = title.all("t").map(Element::text).collect();
    (!texts.is_empty()).then(|| texts.concat())
}

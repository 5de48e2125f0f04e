//! Texts that the stories upload. Each fact stands in one place only, so that a test can tell what an answer rests on.

/// A customer's handbook, in English.
pub const HANDBOOK: &str = "\
# Handbook of the Alder Lane bicycle shop

## Returns

You can return an order within 45 days of delivery. The bicycle must be clean and complete. Refunds are paid to the same
card within 5 working days.

## Repairs

A standard inspection costs 79 euros and takes two days. Bring the bicycle before noon and we start on the same day.
Electric bicycles are inspected by our workshop in Ghent only.

## Delivery

We deliver to Belgium, France and Germany. Delivery is free above 120 euros; below that it costs 9 euros.

## Warranty

Frames are covered for ten years. Batteries are covered for three years or 800 charging cycles, whichever comes first.
";

/// A document about something else.
pub const ELSEWHERE: &str = "\
# The garden

Tulips are planted in autumn, about fifteen centimetres deep. Tomatoes want sun and regular water. Hedges are cut in June.
";

/// The right of withdrawal, in French, in letters that Latin-1 has.
pub const RETURNS_FR: &str = "\
Droit de rétractation

Le délai de rétractation est de quatorze jours à compter de la réception. Les frais de retour sont à la charge du client,
sauf si le vélo livré présente un défaut. Le remboursement est effectué sous dix jours ouvrés.
";

/// About insurance, in German.
pub const INSURANCE_DE: &str = "\
# Versicherung

Die Versicherung gegen Diebstahl kostet sechs Euro im Monat. Sie gilt für Fahrräder, die an einem festen Gegenstand
angeschlossen waren. Ein Schaden ist innerhalb von drei Tagen zu melden.
";

/// A page with its furniture around it.
pub const PAGE: &str = "\
<!doctype html><html lang=\"en\"><head><title>Insurance</title><script>var x = 1;</script></head><body>
<nav><a href=\"/\">Home</a> <a href=\"/shop\">Shop</a></nav><div class=\"cookie-banner\">Accept all cookies</div>
<main><h1>Insurance</h1><p>Theft insurance costs 6 euros a month. It covers bicycles that were locked to a fixed
object.</p></main><footer>Imprint and privacy</footer></body></html>";

/// A PDF of one page with this text.
pub fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 14 Tf 72 720 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let table = file.len();
    file += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        file += &format!("{place:010} 00000 n \n");
    }
    file += &format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    file.into_bytes()
}

//! What is found and what is not, one sentence a case; then the measured sets.

mod masking;
mod measure;

use super::*;

/// Kind and text of everything that is found.
fn found(text: &str) -> Vec<(Kind, &str)> {
    find(text).expect("short enough").into_iter().map(|span| (span.kind, &text[span.range()])).collect()
}

#[test]
fn each_kind_is_found_in_a_sentence() {
    use Kind::*;
    for (text, kind, value) in [
        ("Write to ada.lovelace+test@mail.example.org.", Email, "ada.lovelace+test@mail.example.org"),
        ("Schreiben Sie an (jürgen@müller.example)!", Email, "jürgen@müller.example"),
        ("Appelez le +33 (0)4 79 82 20 68 demain.", Phone, "+33 (0)4 79 82 20 68"),
        ("Rufen Sie 06055 073115 an.", Phone, "06055 073115"),
        ("Llame al 612 345 678.", Phone, "612 345 678"),
        ("Call (415) 555-2671 x12 today.", Phone, "(415) 555-2671 x12"),
        ("IBAN: GB82 WEST 1234 5698 7654 32.", Iban, "GB82 WEST 1234 5698 7654 32"),
        ("My card is 4111 1111 1111 1111.", Card, "4111 1111 1111 1111"),
        ("Ma carte 3782 822463 10005 est bloquée.", Card, "3782 822463 10005"),
        ("NIR 2 55 08 14 168 025 38.", NationalNumber, "2 55 08 14 168 025 38"),
        ("Mi DNI es 12345678Z.", NationalNumber, "12345678Z"),
        ("Mi NIE es X1234567L.", NationalNumber, "X1234567L"),
        ("NINO AB123456C", NationalNumber, "AB123456C"),
        ("NHS number 943 476 5919", NationalNumber, "943 476 5919"),
        ("Meine Steuer-ID ist 86095742719.", NationalNumber, "86095742719"),
        ("SIRET 732 829 320 00074", CompanyNumber, "732 829 320 00074"),
        ("USt-IdNr. DE136695976", CompanyNumber, "DE136695976"),
        ("TVA FR40303265045", CompanyNumber, "FR40303265045"),
        ("It came from 192.0.2.17.", Ip, "192.0.2.17"),
        ("It came from 2001:db8::17.", Ip, "2001:db8::17"),
        ("Geboren am 3. März 1980.", BirthDate, "3. März 1980"),
        ("Je m'appelle Zoé de la Tour.", Name, "Zoé de la Tour"),
        ("Liebe Frau Müller-Lüdenscheidt, danke", Name, "Frau Müller-Lüdenscheidt"),
        ("See you\n\nBest regards,\nAda Lovelace", Name, "Ada Lovelace"),
        ("Ich wohne Hauptstraße 5, 10115 Berlin.", Address, "Hauptstraße 5, 10115 Berlin"),
        (
            "token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            Token,
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        ),
        ("use AKIAIOSFODNN7EXAMPLE please", ApiKey, "AKIAIOSFODNN7EXAMPLE"),
        ("api_key: 8f14e45fceea167a5a36dedd4bea2543", ApiKey, "8f14e45fceea167a5a36dedd4bea2543"),
        ("Mein Passwort lautet: Sommer2024!x", Password, "Sommer2024!x"),
        ("mot de passe : hunter2", Password, "hunter2"),
        ("postgres://app:s3cret@db.internal/x", Password, "s3cret"),
        ("My PIN is 4711", Password, "4711"),
        ("I was diagnosed with something", Health, "diagnosed with"),
        ("Elle est séropositive depuis un an", Health, "séropositive"),
        ("Ich bin Gewerkschaftsmitglied", Union, "Gewerkschaftsmitglied"),
        ("Soy católica", Religion, "católica"),
        ("Because I am gay", Orientation, "gay"),
        ("J’ai voté pour lui", Politics, "J’ai voté pour"),
        ("wegen meiner Hautfarbe", Origin, "Hautfarbe"),
    ] {
        assert!(found(text).contains(&(kind, value)), "{text}: {:?}", found(text));
    }
}

#[test]
fn a_private_key_is_found_with_its_end_and_without() {
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----";
    assert_eq!(found(&format!("Here: {key} thanks")), [(Kind::PrivateKey, key)]);
    let cut = "-----BEGIN PRIVATE KEY-----\nb3BlbnNzaC1rZXk";
    assert_eq!(found(cut), [(Kind::PrivateKey, cut)]);
}

#[test]
fn a_wrong_check_digit_is_no_number_of_its_kind() {
    for text in [
        "GB83 WEST 1234 5698 7654 32",
        "DE96 7719 8977 3595 8778 34",
        "4111111111111112",
        "2 55 08 14 168 025 39",
        "12345678A",
        "86095742718",
    ] {
        let proved = [Kind::Iban, Kind::Card, Kind::NationalNumber];
        assert!(found(text).iter().all(|(kind, _)| !proved.contains(kind)), "{text}: {:?}", found(text));
    }
}

#[test]
fn everyday_sentences_are_left_alone() {
    for text in [
        "Since update 7.4.2 the PDF export of 120 pages fails with error 0x80070005.",
        "Item 4006381333931 costs 49.90 EUR including VAT, version 1.2.3.4 is out.",
        "The password is wrong, please reset the password. My password: forgotten.",
        "The secret is to start early. The token is invalid.",
        "We open from 9:30 to 18:00, from 2024-01-15 on; the fee is 1,250.00 EUR.",
        "Order 2024-000123 of 15/01/2024 has not arrived yet; 12345678 pieces are missing.",
        "Le mot de passe est oublié. La réunion aura lieu le 12 mars 2025 à 14:05.",
        "Die Rechnung 2024/4711 vom 15.01.2024 über 1.250,00 Euro ist offen. Das Passwort ist falsch.",
        "La factura 2024-15 es de 1.250,00 euros y la contraseña es incorrecta.",
        "Our hospital is open on Sundays; the church is beside the party hall.",
        "Thanks to the team, the Union Street shop and Roma tomatoes were great.",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    assert_eq!(find(&"a".repeat(LONGEST + 1)), Err(TooLong));
}

/// Each would take minutes if a search began anew at every sign.
#[test]
fn hostile_texts_of_the_longest_length_are_searched() {
    for piece in [
        "1 ",
        "1234 ",
        "4111 1111 ",
        "a@a.",
        "@",
        "DE00 ",
        "[[",
        "Dr. Aa ",
        "::1:",
        "1.1.1.1.",
        "Calle a ",
        "+1(",
        "0 (0) ",
        "password: ",
        "-----BEGIN PRIVATE KEY",
        "eyJa.eyJ",
        "Regards,\n",
        "é",
        "ß1",
        "٠",
        "१२ ",
        "𝟗",
    ] {
        let text = piece.repeat(LONGEST / piece.len());
        for span in find(&text).unwrap() {
            assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
        }
    }
}

#[test]
fn digits_of_other_scripts_are_digits() {
    for (text, kind, value) in [
        ("رقمي +٤٩ ٣٠ ١٢٣٤٥٦٧ شكرا", Kind::Phone, "+٤٩ ٣٠ ١٢٣٤٥٦٧"),
        ("मेरा नंबर +४९ ३० १२३४५६७ है", Kind::Phone, "+४९ ३० १२३४५६७"),
        ("Mi DNI es １２３４５６７８Z.", Kind::NationalNumber, "１２３４５６７８Z"),
        ("My card is 𝟺𝟷𝟷𝟷 1111 𝟭𝟭𝟭𝟭 1111.", Kind::Card, "𝟺𝟷𝟷𝟷 1111 𝟭𝟭𝟭𝟭 1111"),
    ] {
        assert_eq!(found(text), [(kind, value)], "{text}");
    }
}

/// Each did not end, or fell, where a pattern knew the digits and what reads them did not.
#[test]
fn digits_of_other_scripts_end() {
    for text in ["٠١٢٣٤٥٦٧٨٩", "٠١٢٣٤٥٦٧Z", "٢٥٥٠٨١٤١٦٨٠٢٥٣٨", "DE٤٤", "٩٤٣-٤٧-٥٩١٩", "⁰⁴⁵ ₀₁₂ ½ Ⅷ 四"]
    {
        assert!(found(text).len() <= 1, "{text}");
    }
}

#[test]
fn spans_are_in_order_and_never_overlap() {
    let text =
        "Dear Dr. Ada, call +44 116 496 0062 or ada@x.example, IBAN GB82WEST12345698765432, card 4111111111111111";
    let spans = find(text).unwrap();
    assert_eq!(spans.len(), 5, "{:?}", found(text));
    assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
}

//! The test vectors of W3C Web Authentication Level 3 (section 16, all of the kinds that a browser gives without attestation
//! being asked for), and what is refused once one thing of a good ceremony is changed.

use serde_json::{Value as Json, json};

use super::*;

const VECTORS: &str = include_str!("vectors.json");

/// A ceremony of the specification, in hexadecimal.
#[derive(Deserialize)]
struct Vector {
    name: String,
    registration: Registration,
    authentication: Authentication,
}

#[derive(Deserialize, Clone)]
struct Registration {
    challenge: String,
    credential_id: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(rename = "attestationObject")]
    object: String,
}

#[derive(Deserialize, Clone)]
struct Authentication {
    challenge: String,
    #[serde(rename = "authenticatorData")]
    data: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    signature: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(VECTORS).unwrap()
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.name == name).unwrap()
}

fn party() -> Party {
    Party::of("https://example.org", None).unwrap().unwrap()
}

fn base64url(hexadecimal: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(hex::decode(hexadecimal).unwrap())
}

fn made(said: &Registration) -> Json {
    json!({
        "type": "public-key",
        "id": base64url(&said.credential_id),
        "rawId": base64url(&said.credential_id),
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": base64url(&said.client_data),
            "attestationObject": base64url(&said.object),
            "transports": ["internal", "carrier-pigeon", "internal"],
        },
    })
}

fn shown(id: &str, said: &Authentication) -> Json {
    json!({
        "type": "public-key",
        "id": base64url(id),
        "rawId": base64url(id),
        "response": {
            "clientDataJSON": base64url(&said.client_data),
            "authenticatorData": base64url(&said.data),
            "signature": base64url(&said.signature),
        },
    })
}

fn register(said: &Registration) -> Result<(Known, Moment), Refused> {
    read::<Attestation>(made(said))?.registered(&party(), &base64url(&said.challenge))
}

fn assert(id: &str, said: &Authentication, known: &Known, last: u32) -> Result<Moment, Refused> {
    read::<Assertion>(shown(id, said))?.asserted(&party(), &base64url(&said.challenge), known, last)
}

#[test]
fn the_vectors_of_the_specification_are_taken_or_refused_as_they_should() {
    let expected = [
        ("none-es256", Ok(())),
        ("packed-self-es256", Ok(())),
        ("none-es256-long-credential-id", Ok(())),
        ("packed-rs256", Ok(())),
        ("packed-eddsa", Ok(())),
        // The console is shown in no other page, and asks for no other algorithm.
        ("none-es256-crossOrigin", Err(Refused::WrongOrigin)),
        ("none-es256-topOrigin", Err(Refused::WrongOrigin)),
        ("packed-es384", Err(Refused::WrongAlgorithm)),
    ];
    assert_eq!(expected.len(), vectors().len());
    for (name, expected) in expected {
        let Vector { registration, authentication, .. } = vector(name);
        let came = register(&registration)
            .and_then(|(known, _)| assert(&registration.credential_id, &authentication, &known, 0));
        assert_eq!(came.map(|_| ()), expected, "{name}");
    }
}

#[test]
fn flags_and_transports_are_what_the_authenticator_said() {
    let said = vector("packed-self-es256").registration;
    let (known, moment) = register(&said).unwrap();
    assert_eq!(moment, Moment { sign_count: 0, is_backed_up: true, is_user_verified: true });
    assert!(known.is_backup_eligible);
    assert_eq!(known.transports, ["internal"]);
    let (_, moment) = register(&vector("none-es256").registration).unwrap();
    assert_eq!(moment.require_verified(), Err(Refused::NobodyVerified));
}

#[test]
fn nothing_is_taken_that_was_made_for_something_else() {
    let Vector { registration, authentication, .. } = vector("packed-eddsa");
    let (known, _) = register(&registration).unwrap();
    let credential = || read::<Assertion>(shown(&registration.credential_id, &authentication)).unwrap();
    let challenge = base64url(&authentication.challenge);
    let asserted = |party: &Party, challenge: &str| credential().asserted(party, challenge, &known, 0);

    assert!(asserted(&party(), &challenge).is_ok());
    assert_eq!(asserted(&party(), &base64url(&registration.challenge)), Err(Refused::WrongChallenge));
    let elsewhere = Party { origin: "https://example.org:8443".into(), ..party() };
    assert_eq!(asserted(&elsewhere, &challenge), Err(Refused::WrongOrigin));
    let other = Party { id: "example.com".into(), ..party() };
    assert_eq!(asserted(&other, &challenge), Err(Refused::WrongParty));

    // An answer to one ceremony is none to the other.
    let swapped = Registration { client_data: authentication.client_data.clone(), ..registration.clone() };
    let swapped = read::<Attestation>(made(&swapped)).unwrap().registered(&party(), &challenge);
    assert_eq!(swapped, Err(Refused::WrongCeremony));

    // Neither another's key, nor one that says something else about copies, nor one that counts backwards.
    let (others, _) = register(&vector("none-es256").registration).unwrap();
    let by_others = Known { is_backup_eligible: known.is_backup_eligible, ..others };
    assert_eq!(credential().asserted(&party(), &challenge, &by_others, 0), Err(Refused::WrongSignature));
    let copied = Known { is_backup_eligible: !known.is_backup_eligible, ..known.clone() };
    assert_eq!(credential().asserted(&party(), &challenge, &copied, 0), Err(Refused::WrongBackup));
    assert_eq!(credential().asserted(&party(), &challenge, &known, 1), Err(Refused::Cloned));
}

#[test]
fn no_bit_of_a_signed_answer_can_be_changed() {
    for name in ["none-es256", "packed-rs256", "packed-eddsa"] {
        let Vector { registration, authentication, .. } = vector(name);
        let (known, _) = register(&registration).unwrap();
        let length = authentication.data.len() / 2;
        for position in 0..length {
            let mut data = hex::decode(&authentication.data).unwrap();
            data[position] ^= 1;
            let changed = Authentication { data: hex::encode(data), ..authentication.clone() };
            assert!(assert(&registration.credential_id, &changed, &known, 0).is_err(), "{name}: byte {position}");
        }
        let mut signature = hex::decode(&authentication.signature).unwrap();
        *signature.last_mut().unwrap() ^= 1;
        let changed = Authentication { signature: hex::encode(signature), ..authentication.clone() };
        let came = assert(&registration.credential_id, &changed, &known, 0);
        assert_eq!(came, Err(Refused::WrongSignature), "{name}");
    }
}

#[test]
fn what_is_cut_or_lengthened_is_malformed() {
    let said = vector("none-es256").registration;
    for length in 0..said.object.len() / 2 {
        let cut = Registration { object: said.object[..length * 2].to_owned(), ..said.clone() };
        assert!(register(&cut).is_err(), "{length} bytes");
    }
    let longer = Registration { object: format!("{}00", said.object), ..said.clone() };
    assert_eq!(register(&longer), Err(Refused::Malformed));

    let changes: [fn(&mut Json); 6] = [
        |it| it["type"] = json!("password"),
        |it| it["rawId"] = json!("AAAA"),
        |it| (it["id"], it["rawId"]) = (json!(""), json!("")),
        |it| it["response"]["clientDataJSON"] = json!("not base64url!"),
        |it| it["response"] = json!(null),
        |it| *it = json!([]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = made(&said);
        change(&mut changed);
        assert_eq!(read::<Attestation>(changed).err(), Some(Refused::Malformed), "change {number}");
    }
}

#[test]
fn a_party_is_a_domain_that_a_browser_trusts() {
    let of = |url: &str, domain: Option<&str>| Party::of(url, domain).map(|party| party.map(|it| (it.id, it.origin)));
    let console = "https://support.example.com:8443/console";
    let origin = "https://support.example.com:8443".to_owned();
    assert_eq!(of(console, None).unwrap(), Some(("support.example.com".into(), origin.clone())));
    assert_eq!(of(console, Some("Example.com")).unwrap(), Some(("example.com".into(), origin)));
    let local = Some(("localhost".into(), "http://localhost:3000".into()));
    assert_eq!(of("http://localhost:3000/", None).unwrap(), local);
    for no_domain in ["http://127.0.0.1:8080", "https://[::1]", "http://example.com", "nonsense"] {
        assert_eq!(of(no_domain, None).unwrap(), None, "{no_domain}");
        assert!(of(no_domain, Some("example.com")).is_err(), "{no_domain}");
    }
    for another in ["ample.com", "other.example", "x.support.example.com", ""] {
        assert!(of(console, Some(another)).is_err(), "{another}");
    }
}

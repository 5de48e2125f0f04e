//! Websites are crawled, kept in step and deleted whole; and nothing inside is ever fetched for anybody.

mod failing;
mod quarantine;

use std::{collections::BTreeMap, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};
use consigne_tests::{
    app::{TestApp, minutes},
    people::{Member, idempotency_key},
    source,
    standins::site::Site,
};
use serde_json::{Value, json};

/// A page with a title, a text and links.
fn page(title: &str, text: &str, links: &[&str]) -> String {
    let links: String = links.iter().map(|link| format!("<li><a href=\"{link}\">{link}</a></li>")).collect();
    format!(
        "<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p><ul>{links}</ul></body></html>"
    )
}

/// A small site: a start page, four pages, one of which is behind another.
async fn small_site() -> Result<Site> {
    let site = Site::start().await?;
    site.put(
        "/",
        &page(
            "Welcome",
            "Everything about our bicycles.",
            &["a", "/b?utm_source=x#y", "c", "https://elsewhere.example/"],
        ),
    );
    site.put("/a", &page("Opening hours", "The workshop opens at nine in the morning.", &["/", "/logo.png"]));
    site.put("/b", &page("Prices", "A standard inspection costs eighty francs.", &["/"]));
    site.put("/c", &page("Rental", "A bicycle is rented out for one day at least.", &["/d"]));
    site.put("/d", &page("Deposit", "The deposit for a rented bicycle is two hundred francs.", &[]));
    Ok(site)
}

/// A gateway that may fetch from this site, and a customer.
async fn house(site: &Site) -> Result<(TestApp, Member)> {
    let app = TestApp::start_with(&["--crawl-allow", &site.address()]).await?;
    let acme = app.workspace("acme").await?;
    Ok((app, acme))
}

/// Makes a source, with these settings beside a start page and no pause; answers its id.
async fn create(member: &Member, site: &Site, more: Value) -> Result<String> {
    let mut input = json!({
        "name": "the site", "startUrl": site.url("/"), "delayMilliseconds": 0, "idempotencyKey": idempotency_key(),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    let made = member.graphql("create_website_source", json!({"input": input})).await?.ok();
    Ok(made.text("/createWebsiteSource/source/id"))
}

async fn crawl_again(app: &TestApp, member: &Member, source: &str) -> Result<Value> {
    app.advance(minutes(1));
    member.graphql("crawl_source", json!({"input": {"sourceId": source}})).await?.ok();
    app.run_jobs().await?;
    crawl(member, source).await
}

async fn crawl(member: &Member, source: &str) -> Result<Value> {
    Ok(member.graphql("source", json!({"id": source})).await?.ok().get("/source/crawl").clone())
}

/// What a crawl counted: fetched, not modified, changed, added, removed, refused, failed.
fn counts(crawl: &Value) -> [i64; 7] {
    ["fetched", "notModified", "changed", "added", "removed", "refused", "failed"]
        .map(|field| crawl[field].as_i64().unwrap_or(-1))
}

/// The documents that came from a site, by their path.
async fn documents(member: &Member, site: &Site) -> Result<BTreeMap<String, Value>> {
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let page = member.graphql("documents", json!({"first": 100, "after": after})).await?.ok();
        for node in page.get("/documents/nodes").as_array().into_iter().flatten() {
            let url = node["url"].as_str().context("it came from a website")?;
            all.insert(url.replacen(&site.url(""), "", 1), node.clone());
        }
        if page.get("/documents/pageInfo/hasNextPage") == false {
            return Ok(all);
        }
        after = Some(page.text("/documents/pageInfo/endCursor"));
    }
}

fn paths(documents: &BTreeMap<String, Value>) -> Vec<&str> {
    documents.keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_website_becomes_documents_that_can_be_found() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({"tags": ["Shop"]})).await?;
    app.run_jobs().await?;
    let crawl = crawl(&acme, &source).await?;
    assert_eq!(counts(&crawl), [5, 0, 0, 5, 0, 0, 0], "{crawl}");
    assert_eq!((&crawl["stage"], &crawl["failure"]), (&json!("DONE"), &Value::Null));
    let documents = documents(&acme, &site).await?;
    assert_eq!(paths(&documents), ["/", "/a", "/b", "/c", "/d"]);
    assert!(documents.values().all(|document| document["state"] == "READY" && document["sourceId"] == source.as_str()));
    assert_eq!(acme.search("Was kostet eine Inspektion?").await?[0], "Prices");
    let mut asked: Vec<String> = site.take_requests().into_iter().map(|(path, _)| path).collect();
    asked.sort();
    assert_eq!(asked, ["/", "/a", "/b", "/c", "/d", "/robots.txt"], "each is asked for once, and nothing else");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_crawl_touches_what_changed_and_nothing_else() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    app.run_jobs().await?;
    let before = documents(&acme, &site).await?;
    site.take_requests();

    // B changes and leads to a new page; C goes, and nothing else leads to D.
    site.put("/b", &page("Prices", "A standard inspection costs ninety francs.", &["/", "/e"]));
    site.put("/e", &page("Vouchers", "A voucher is valid for three years.", &[]));
    site.take_away("/c");
    let second = crawl_again(&app, &acme, &source).await?;
    assert_eq!(counts(&second), [2, 2, 1, 1, 2, 0, 0], "{second}");
    let mut asked = site.take_requests();
    asked.sort();
    let expected = [("/", 304), ("/a", 304), ("/b", 200), ("/c", 404), ("/e", 200), ("/robots.txt", 404)];
    assert_eq!(asked, expected.map(|(path, status)| (path.to_owned(), status)));

    let after = documents(&acme, &site).await?;
    assert_eq!(paths(&after), ["/", "/a", "/b", "/e"]);
    assert_eq!((&after["/"], &after["/a"]), (&before["/"], &before["/a"]), "untouched");
    assert_eq!((&after["/b"]["id"], &after["/b"]["version"]), (&before["/b"]["id"], &json!(2)), "replaced");
    let found = acme.graphql("search_knowledge", json!({"question": "What does an inspection cost?"})).await?.ok();
    let found = found.body.to_string();
    assert!(found.contains("ninety") && !found.contains("eighty") && !found.contains("deposit"), "{found}");
    assert_eq!(app.rows("source_pages").await?, 5, "the page that is gone is still linked; the one behind it is not");

    let third = crawl_again(&app, &acme, &source).await?;
    assert_eq!(counts(&third), [0, 4, 0, 0, 0, 0, 0], "{third}");
    Ok(())
}

/// The Debian installation guide in English, unpacked, or `None` with a printed reason.
fn guide() -> Option<(tempfile::TempDir, PathBuf)> {
    let archive = source::root().join("../shared/data/kb/debian_install_guide_html_en_fr_de_es.tar.xz");
    let folder = tempfile::tempdir().expect("a folder");
    let unpacked = Command::new("tar").arg("xJf").arg(&archive).arg("-C").arg(folder.path()).status();
    if !archive.exists() || !unpacked.is_ok_and(|status| status.success()) {
        println!("skipped: no {} that tar can unpack", archive.display());
        return None;
    }
    let english = folder.path().join("ig/en");
    Some((folder, english))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_manual_is_crawled_and_a_second_crawl_touches_three_pages() -> Result<()> {
    let Some((_folder, english)) = guide() else { return Ok(()) };
    let (site, files) = Site::of_folder(&english).await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({"startUrl": site.url("/index.html")})).await?;
    app.run_jobs().await?;
    let total = i64::try_from(files.len())?;
    let first = crawl(&acme, &source).await?;
    assert_eq!(counts(&first), [total, 0, 0, total, 0, 0, 0], "{first}");
    let before = documents(&acme, &site).await?;
    assert_eq!(paths(&before), files, "every page of the manual is a document");
    site.take_requests();

    let changed = site.text("/ch01s02.html");
    let more = "<p>The ferry to the island leaves at noon. <a href=\"new.html\">More</a></p></body>";
    site.put("/ch01s02.html", &changed.replace("</body>", more));
    site.put("/new.html", &page("The ferry", "A ticket for the ferry costs four francs.", &["index.html"]));
    site.take_away("/apf.html");
    let second = crawl_again(&app, &acme, &source).await?;
    assert_eq!(counts(&second), [2, total - 2, 1, 1, 1, 0, 0], "{second}");
    let asked = site.take_requests();
    let whole: Vec<&str> = asked.iter().filter(|(_, status)| *status == 200).map(|(path, _)| path.as_str()).collect();
    assert_eq!(whole, ["/ch01s02.html", "/new.html"]);
    assert_eq!(asked.iter().filter(|(_, status)| *status == 304).count(), files.len() - 2);

    let mut after = documents(&acme, &site).await?;
    let (changed, added) = (after.remove("/ch01s02.html"), after.remove("/new.html"));
    let changed = changed.context("it is still there")?;
    assert_eq!((&changed["id"], &changed["version"]), (&before["/ch01s02.html"]["id"], &json!(2)));
    assert!(added.is_some() && !after.contains_key("/apf.html"));
    assert!(after.iter().all(|(path, document)| document == &before[path]), "everything else is untouched");
    let id = changed["id"].as_str().context("an id")?;
    let document = acme.document(id).await?.context("it is there")?;
    let (passages, reused) =
        (document["passages"].as_i64().unwrap_or(0), document["passagesReused"].as_i64().unwrap_or(0));
    assert!(reused >= passages - 1, "only the new passage is embedded: {document}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_txt_and_the_customers_paths_are_kept_to() -> Result<()> {
    let site = small_site().await?;
    site.put("/robots.txt", "User-agent: *\nDisallow: /\n\nUser-agent: consigne\nDisallow: /b\n");
    site.put("/file.bin", "no text");
    site.put("/a", &page("Opening hours", "The workshop opens at nine.", &["/file.bin", "/deep"]));
    site.put("/deep", &page("Deep", "Two links from the start.", &["/deeper"]));
    site.put("/deeper", &page("Deeper", "Three links from the start.", &[]));
    let (app, acme) = house(&site).await?;
    let settings = json!({"include": ["/", "/?", "/deep*"], "exclude": ["/c"], "maxDepth": 2});
    let source = create(&acme, &site, settings).await?;
    app.run_jobs().await?;
    let crawl = crawl(&acme, &source).await?;
    assert_eq!(counts(&crawl), [4, 0, 0, 3, 0, 1, 0], "{crawl}");
    assert_eq!(paths(&documents(&acme, &site).await?), ["/", "/a", "/deep"]);
    for path in ["/b", "/c", "/d", "/deeper", "/logo.png"] {
        assert!(!site.was_asked_for(path), "{path} was asked for");
    }
    // Taken back later: the documents go with the permission.
    site.put("/robots.txt", "User-agent: consigne\nDisallow: /a\nDisallow: /b");
    let second = crawl_again(&app, &acme, &source).await?;
    assert_eq!(counts(&second), [0, 1, 0, 0, 2, 2, 0], "{second}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sitemap_lists_where_a_crawl_begins() -> Result<()> {
    let site = small_site().await?;
    let urls = |paths: &[&str]| {
        paths.iter().map(|path| format!("<url><loc>{}</loc></url>", site.url(path))).collect::<String>()
    };
    site.put(
        "/pages.xml",
        &format!("<urlset>{}<url><loc>https://elsewhere.example/</loc></url></urlset>", urls(&["/a", "/c"])),
    );
    site.put(
        "/sitemap.xml",
        &format!("<sitemapindex><sitemap><loc>{}</loc></sitemap></sitemapindex>", site.url("/pages.xml")),
    );
    let (app, acme) = house(&site).await?;
    let input = json!({"startUrl": null, "sitemapUrl": site.url("/sitemap.xml"), "maxDepth": 0});
    let source = create(&acme, &site, input).await?;
    app.run_jobs().await?;
    assert_eq!(paths(&documents(&acme, &site).await?), ["/a", "/c"]);
    // A sitemap that breaks takes nothing away.
    site.put("/pages.xml", "<html>Sorry</html>");
    let broken = crawl_again(&app, &acme, &source).await?;
    assert_eq!((&broken["failure"]["code"], &broken["removed"]), (&json!("SITEMAP_UNREADABLE"), &json!(0)), "{broken}");
    assert_eq!(documents(&acme, &site).await?.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_down_takes_no_document_with_it() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    app.run_jobs().await?;
    site.set_down(true);
    let down = crawl_again(&app, &acme, &source).await?;
    assert_eq!(down["failure"]["code"], "SITE_UNAVAILABLE", "{down}");
    assert_eq!(documents(&acme, &site).await?.len(), 5);
    site.set_down(false);
    // A start page that is gone is a site that moved, not a site without pages.
    site.take_away("/");
    let moved = crawl_again(&app, &acme, &source).await?;
    assert_eq!(moved["failure"]["code"], "NOTHING_READ", "{moved}");
    assert!(documents(&acme, &site).await?.len() >= 4);
    site.put("/", &page("Welcome", "Everything about our bicycles.", &["a", "b", "c"]));
    let back = crawl_again(&app, &acme, &source).await?;
    assert_eq!(counts(&back), [1, 4, 0, 1, 0, 0, 0], "{back}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    site.hold("/d");
    let killed = async {
        while !site.was_asked_for("/d") {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        finished = app.run_jobs() => finished?,
        () = killed => {}
    }
    let half = crawl(&acme, &source).await?;
    assert_eq!((&half["stage"], &half["fetched"]), (&json!("FETCHING"), &json!(4)), "{half}");
    site.release();
    site.take_requests();
    // The dead worker's lease runs out.
    app.advance(minutes(1));
    app.run_jobs().await?;
    let whole = crawl(&acme, &source).await?;
    assert_eq!(counts(&whole), [5, 0, 0, 5, 0, 0, 0], "{whole}");
    let asked: Vec<String> = site.take_requests().into_iter().map(|(path, _)| path).collect();
    assert_eq!(asked, ["/robots.txt", "/d"], "no page is fetched twice");
    Ok(())
}

/// Each slice reads robots.txt anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_site_is_left_for_others_after_a_minute() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    site.hold("/b");
    let slow = async {
        while !site.was_asked_for("/b") {
            tokio::task::yield_now().await;
        }
        app.advance(minutes(1));
        site.release();
    };
    let (crawled, ()) = tokio::join!(app.run_jobs(), slow);
    crawled?;
    assert_eq!(crawl(&acme, &source).await?["stage"], "DONE");
    let asked: Vec<String> = site.take_requests().into_iter().map(|(path, _)| path).collect();
    let slices: Vec<usize> = asked.split(|path| path == "/robots.txt").map(<[String]>::len).collect();
    assert!(matches!(slices[..], [0, before, after] if before > 0 && after > 0), "{asked:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn crawls_come_by_their_schedule_and_not_while_a_source_is_paused() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    // A program: a member would have to sign in again after hours.
    let acme = acme.program(&["KNOWLEDGE_READ", "KNOWLEDGE_WRITE"]).await?;
    let source = create(&acme, &site, json!({"everyHours": 6})).await?;
    app.run_jobs().await?;
    let number = async || Ok::<_, anyhow::Error>(crawl(&acme, &source).await?["number"].as_i64().unwrap_or(0));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(number().await?, 1, "not due yet");
    app.advance(Duration::from_secs(6 * 3_600));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(number().await?, 2);
    acme.graphql("pause_source", json!({"input": {"sourceId": source}})).await?.ok();
    let refused = acme.graphql("crawl_source", json!({"input": {"sourceId": source}})).await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"));
    app.advance(Duration::from_secs(24 * 3_600));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(number().await?, 2);
    acme.graphql("resume_source", json!({"input": {"sourceId": source}})).await?.ok();
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(number().await?, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_can_be_watched() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    let mut progress = acme.listen("source_progress", json!({"sourceId": source})).await?;
    let first = progress.next().await?.context("it begins with the present state")?;
    assert_eq!(first["data"]["sourceProgress"]["crawl"]["stage"], "SEEDING");
    app.run_jobs().await?;
    let rest = progress.rest().await?;
    let last = &rest.last().context("it goes on")?["data"]["sourceProgress"];
    assert_eq!((&last["crawl"]["stage"], &last["documentCount"]), (&json!("DONE"), &json!(5)), "{last}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_source_takes_its_documents_and_nothing_else() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    acme.add_text("By hand", "This text was written by hand about tandems.").await?;
    app.run_jobs().await?;
    let (passages, files) = (app.rows("passages").await?, app.blobs().len());
    let deleted = acme.graphql("delete_source", json!({"input": {"sourceId": source}})).await?.ok();
    assert_eq!(deleted.number("/deleteSource/documentsDeleted"), 5);
    assert_eq!(deleted.number("/deleteSource/passagesDeleted"), passages - 1);
    assert_eq!(acme.search("What does an inspection cost?").await?, ["By hand"], "nothing of it can be found at once");
    app.run_jobs().await?;
    app.advance(minutes(1));
    app.run_jobs().await?;
    for (table, left) in [("sources", 0), ("source_pages", 0), ("documents", 1), ("passages", 1)] {
        assert_eq!(app.rows(table).await?, left, "{table}");
    }
    assert_eq!(app.blobs().len(), files - 5);
    let gone = acme.graphql("source", json!({"id": source})).await?.ok();
    assert!(gone.body["data"]["source"].is_null());
    let actions = acme.audited_actions().await?;
    for action in ["source.created", "source.crawled", "source.deleted", "source.purged"] {
        assert!(actions.iter().any(|known| known == action), "{action} is not on record");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_configured_within_bounds() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    for (field, value) in [
        ("name", json!("")),
        ("startUrl", json!("not a url")),
        ("startUrl", json!(null)),
        ("include", json!(["docs/**"])),
        ("exclude", json!(["/["])),
        ("tags", json!([""])),
        ("maxDepth", json!(21)),
        ("maxPages", json!(0)),
        ("delayMilliseconds", json!(-1)),
        ("everyHours", json!(0)),
    ] {
        let refused = acme.graphql("configure_source", json!({"input": {"sourceId": source, field: value}})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{field}: {}", refused.body);
    }
    let input = json!({"sourceId": source, "name": "The shop", "maxPages": 2, "everyHours": null});
    let changed = acme.graphql("configure_source", json!({"input": input})).await?.ok();
    assert_eq!(changed.text("/configureSource/source/name"), "The shop");
    app.run_jobs().await?;
    assert_eq!(documents(&acme, &site).await?.len(), 2, "no more pages than were asked for");
    let listed = acme.graphql("sources", json!({})).await?.ok();
    assert_eq!((listed.number("/sources/totalCount"), listed.text("/sources/nodes/0/id")), (1, source));
    Ok(())
}

/// Addresses that were used against others, one a line, where the collection is at hand.
fn hostile_urls() -> Vec<String> {
    let path = source::root().join("../shared/data/security/ssrf_urls.txt");
    match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(_) => {
            println!("skipped: no {}", path.display());
            Vec::new()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_inside_is_a_source() -> Result<()> {
    let (site, trap) = (small_site().await?, small_site().await?);
    let (_app, acme) = house(&site).await?;
    let mut hostile = hostile_urls();
    let port = trap.address().rsplit(':').next().unwrap_or_default().to_owned();
    hostile.extend(
        ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"].map(|host| format!("http://{host}:{port}/")),
    );
    hostile.push("http://www.example.com/".to_owned());
    for url in &hostile {
        for field in ["startUrl", "sitemapUrl"] {
            let input = json!({"name": "x", field: url, "idempotencyKey": idempotency_key()});
            let refused = acme.graphql("create_website_source", json!({"input": input})).await?;
            assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{url}: {}", refused.body);
        }
    }
    assert_eq!(trap.connections(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_inside_is_reached_by_a_link_or_a_redirect() -> Result<()> {
    let (site, trap) = (small_site().await?, small_site().await?);
    let (app, acme) = house(&site).await?;
    let mut hostile = hostile_urls();
    hostile.push(trap.url("/"));
    let mut links = Vec::new();
    for (number, url) in hostile.iter().enumerate() {
        site.redirect(&format!("/r{number}"), url);
        links.extend([format!("/r{number}"), url.replace('"', "%22")]);
    }
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    site.put("/", &page("Welcome", "Everything about our bicycles.", &links));
    let source = create(&acme, &site, json!({})).await?;
    app.run_jobs().await?;
    let crawl = crawl(&acme, &source).await?;
    assert_eq!(trap.connections(), 0);
    assert_eq!(paths(&documents(&acme, &site).await?), ["/"], "{crawl}");
    assert!(crawl["refused"].as_i64() >= Some(1), "{crawl}");
    // A robots.txt somewhere inside is not read either.
    site.redirect("/robots.txt", &trap.url("/robots.txt"));
    let refused = crawl_again(&app, &acme, &source).await?;
    assert_eq!((&refused["failure"]["code"], trap.connections()), (&json!("HOST_NOT_ALLOWED"), 0), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn production_lets_nothing_inside_through() -> Result<()> {
    let started = TestApp::start_with(&["--production", "--crawl-allow", "127.0.0.1:8000"]).await;
    assert!(started.is_err_and(|error| format!("{error:#}").contains("CONSIGNE_CRAWL_ALLOW")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_switches_fetching_off_is_not_fetched_for() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    acme.graphql("disable_plugin", json!({"input": {"pluginId": "website"}})).await?.ok();
    app.run_jobs().await?;
    assert_eq!(crawl(&acme, &source).await?["failure"]["code"], "DISABLED");
    assert_eq!(site.connections(), 0);
    Ok(())
}

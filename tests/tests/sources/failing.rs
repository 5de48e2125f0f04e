//! Pages that fail for ever hold nothing up for ever, and lose nothing behind them.

use anyhow::Result;
use consigne_tests::people::idempotency_key;
use serde_json::json;

use super::{crawl_again, create, documents, house, page, paths, small_site};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unlinked_goes_although_another_page_fails_for_ever() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    app.run_jobs().await?;
    // Nothing leads to A any more; C, which alone leads to D, fails from now on.
    site.put("/", &page("Welcome", "Everything about our bicycles.", &["b", "c"]));
    site.put("/b", &page("Prices", "A standard inspection costs eighty francs.", &["/"]));
    site.fail("/c");
    for crawl in ["first", "second"] {
        let crawled = crawl_again(&app, &acme, &source).await?;
        assert_eq!((&crawled["failed"], &crawled["removed"]), (&json!(1), &json!(0)), "{crawl}: {crawled}");
    }
    let third = crawl_again(&app, &acme, &source).await?;
    assert_eq!((&third["failed"], &third["removed"]), (&json!(1), &json!(1)), "{third}");
    assert_eq!(paths(&documents(&acme, &site).await?), ["/", "/b", "/c", "/d"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_failing_page_leads_to_stays_until_the_page_answers() -> Result<()> {
    let site = small_site().await?;
    // Pages below /list/ become documents; the list itself is read for its links alone, and no file is kept of it.
    site.put("/", &page("Welcome", "Everything about our bicycles.", &["/list", "/old"]));
    site.put("/list", &page("List", "All of them.", &["/list/x"]));
    site.put("/list/x", &page("Tandems", "A tandem has two saddles.", &["/list/x/y"]));
    site.put("/list/x/y", &page("Saddles", "A saddle is made of leather.", &[]));
    site.put("/old", &page("Old", "Nobody leads here soon.", &[]));
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({"include": ["/", "/list/**", "/old"]})).await?;
    app.run_jobs().await?;
    assert_eq!(paths(&documents(&acme, &site).await?), ["/", "/list/x", "/list/x/y", "/old"]);
    site.put("/", &page("Welcome", "Everything about our bicycles.", &["/list"]));
    site.fail("/list");
    for _ in 0..5 {
        crawl_again(&app, &acme, &source).await?;
    }
    assert_eq!(paths(&documents(&acme, &site).await?), ["/", "/list/x", "/list/x/y"]);
    // It answers, and leads nowhere any more.
    site.put("/list", &page("List", "All of them.", &[]));
    crawl_again(&app, &acme, &source).await?;
    assert_eq!(paths(&documents(&acme, &site).await?), ["/"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_makes_one_source() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let input = json!({"input": {"name": "the site", "startUrl": site.url("/"), "idempotencyKey": idempotency_key()}});
    let (first, second) = tokio::join!(
        acme.graphql("create_website_source", input.clone()),
        acme.graphql("create_website_source", input)
    );
    let id = |reply: Result<consigne_tests::client::Reply>| {
        Ok::<_, anyhow::Error>(reply?.ok().text("/createWebsiteSource/source/id"))
    };
    assert_eq!(id(first)?, id(second)?);
    assert_eq!(app.rows("sources").await?, 1);
    let unkeyed = json!({"input": {"name": "the site", "startUrl": site.url("/"), "idempotencyKey": ""}});
    let refused = acme.graphql("create_website_source", unkeyed).await?;
    assert_eq!(refused.user_error(), Some("INVALID_INPUT"));
    Ok(())
}

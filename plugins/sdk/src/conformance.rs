//! What any vector index has to do, as tests that a plugin runs on itself.
//!
//! Feature `conformance`, for tests only. One line in a plugin's tests runs all of it:
//!
//! ```ignore
//! consigne_sdk::vector_index_conformance!(crate::open);
//! ```
//!
//! where `open` is an async function without arguments that gives an `Arc<dyn VectorIndex>`, or an `Option` of one: at
//! `None` nothing is tried, and `open` has said why. Each behaviour works in workspaces of its own and clears them first,
//! so an index may live longer than a run, and behaviours may run side by side.
//!
//! Reading order: [`world`] (points, and the workspaces they live in), [`finding`], [`filters`], [`changes`],
//! [`removal`].

#![expect(clippy::unwrap_used, reason = "a behaviour that does not hold has to fail its test")]

pub mod changes;
pub mod filters;
pub mod finding;
pub mod removal;
pub mod world;

/// A test for each behaviour, on the index that `$open` gives.
#[macro_export]
macro_rules! vector_index_conformance {
    ($open:path) => {
        $crate::vector_index_conformance! {
            $open,
            finding::the_nearest_passage_comes_first_with_its_cosine,
            finding::shared_terms_add_the_product_of_their_weights,
            finding::a_passage_that_only_its_terms_find_has_its_cosine_too,
            finding::a_question_whose_terms_nobody_has_is_answered_by_its_vector,
            finding::a_limit_beyond_what_is_there_gives_all_of_it_and_none_gives_nothing,
            finding::two_workspaces_never_see_each_other,
            finding::two_models_of_one_workspace_never_mix,
            finding::a_partition_nobody_filled_is_empty,
            filters::a_filter_finds_exactly_what_it_admits,
            filters::a_filter_holds_for_what_terms_find_too,
            changes::an_empty_fill_has_a_version,
            changes::a_point_put_again_is_replaced_with_all_it_had,
            changes::what_a_change_removes_and_puts_is_there_afterwards,
            changes::a_change_applied_twice_is_applied_once,
            changes::thousands_of_points_are_all_there,
            changes::a_vector_of_another_length_is_refused_with_both_lengths_and_changes_nothing,
            changes::a_vector_that_is_not_finite_is_refused,
            removal::removing_a_document_counts_its_passages_and_leaves_the_others,
            removal::a_document_of_the_same_name_in_another_workspace_stays,
            removal::a_dropped_partition_is_forgotten_with_its_version,
            removal::a_purge_leaves_what_was_not_removed,
        }
    };
    ($open:path, $($file:ident::$behaviour:ident,)*) => {
        $(
            #[tokio::test]
            async fn $behaviour() {
                let index: Option<std::sync::Arc<dyn $crate::VectorIndex>> = $open().await.into();
                if let Some(index) = index {
                    $crate::conformance::$file::$behaviour(index).await;
                }
            }
        )*
    };
}

//! All black-box tests, in one binary. First what holds for the source, then for the schema, then stories of people.

mod absences;
mod arrows;
mod register;
mod schema;

mod isolation;

mod answers;
mod audit;
mod channels;
mod consents;
mod corrections;
mod embeddings;
mod erasure;
mod escalations;
mod identity;
mod knowledge;
mod models;
mod outage;
mod plugins;
mod privacy_requests;
mod purposes;
mod records;
mod reranking;
mod s3;
mod search;
mod sources;
mod transport;

mod clients;
mod crash;
mod scale;

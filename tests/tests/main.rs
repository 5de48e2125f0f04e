//! All black-box tests, in one binary. First what holds for the source, then for the schema, then stories of people.

mod absences;
mod arrows;
mod register;
mod schema;

mod isolation;

mod access;
mod answers;
mod audit;
mod backups;
mod certificates;
mod channels;
mod consents;
mod corrections;
mod embeddings;
mod erasure;
mod escalations;
mod hostile;
mod identity;
mod keys;
mod knowledge;
mod leaving;
mod models;
mod outage;
mod plugins;
mod privacy_requests;
mod purposes;
mod recipients;
mod records;
mod reranking;
mod rights;
mod s3;
mod search;
mod sensitive;
mod sources;
mod sso;
mod tls;
mod transport;

mod clients;
mod crash;
mod scale;

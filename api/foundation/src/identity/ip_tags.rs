//! Tags of addresses: the same for one day, and nothing to anybody when its key is gone.
//!
//! A day has a random key, sealed; it is destroyed after thirty days. No address is stored.

use std::net::IpAddr;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    id::fill_random,
    store::{InstanceTx, Store, entity::ip_tag_keys},
    vault::{Place, aead},
};

/// How many days a key is kept.
const KEPT_DAYS: i64 = 30;

/// The tag of an address today. Of an address of IPv6 the network counts, 64 bits: whoever has one has all of it.
pub(super) async fn tag(store: &Store, address: IpAddr) -> Result<Vec<u8>> {
    let day = store.now().day();
    let key = match find(&store.read_instance().await?, store, day).await? {
        Some(key) => key,
        None => make(store, day).await?,
    };
    let network: Vec<u8> = match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
    };
    Ok(aead::keyed_hash(&key, &[&network]).to_vec())
}

/// Destroys the keys of days that are long gone.
pub(super) async fn destroy_old(tx: &InstanceTx) -> Result<u64> {
    let oldest = tx.store().now().day() - KEPT_DAYS;
    let gone = ip_tag_keys::Entity::delete_many().filter(ip_tag_keys::Column::Day.lt(oldest)).exec(tx.db()).await?;
    Ok(gone.rows_affected)
}

async fn find(tx: &InstanceTx, store: &Store, day: i64) -> Result<Option<Vec<u8>>> {
    let Some(row) = ip_tag_keys::Entity::find_by_id(day).one(tx.db()).await? else { return Ok(None) };
    Ok(Some(store.vault().instance_key().open(&place(day), &row.key_sealed)?.to_vec()))
}

/// Of two gateways that make the day's key at once, one does.
async fn make(store: &Store, day: i64) -> Result<Vec<u8>> {
    let mut key = [0; 32];
    fill_random(&mut key);
    let row = ip_tag_keys::ActiveModel {
        day: Set(day),
        key_sealed: Set(store.vault().instance_key().seal(&place(day), &key)),
    };
    let tx = store.write_instance().await?;
    ip_tag_keys::Entity::insert(row)
        .on_conflict(OnConflict::column(ip_tag_keys::Column::Day).do_nothing().to_owned())
        .exec_without_returning(tx.db())
        .await?;
    tx.commit().await?;
    let made = find(&store.read_instance().await?, store, day).await?;
    made.ok_or_else(|| Error::internal("the day's key of address tags is not there"))
}

fn place(day: i64) -> Place {
    Place::instance("ip_tag_keys", "key_sealed", Uuid::from_u128(day.unsigned_abs().into()))
}

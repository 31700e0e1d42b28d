//! A table that is opened when it is first used. To open all of them costs more than what is then
//! read in one or two.

use std::borrow::Borrow;
use std::cell::OnceCell;
use std::ops::RangeBounds;

use redb::{
    AccessGuard, Key, Range, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata,
    Result, StorageError, Table, TableDefinition, TableError, TableStats, Value, WriteTransaction,
};

/// A transaction, and what its tables are.
pub trait Source {
    type Table<'t, K: Key + 'static, V: Value + 'static>: ReadableTable<K, V>
    where
        Self: 't;

    fn open<'t, K: Key + 'static, V: Value + 'static>(
        &'t self,
        definition: TableDefinition<K, V>,
    ) -> std::result::Result<Self::Table<'t, K, V>, TableError>;
}

impl Source for ReadTransaction {
    type Table<'t, K: Key + 'static, V: Value + 'static> = ReadOnlyTable<K, V>;

    fn open<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<K, V>,
    ) -> std::result::Result<ReadOnlyTable<K, V>, TableError> {
        self.open_table(definition)
    }
}

impl Source for WriteTransaction {
    type Table<'t, K: Key + 'static, V: Value + 'static> = Table<'t, K, V>;

    fn open<'t, K: Key + 'static, V: Value + 'static>(
        &'t self,
        definition: TableDefinition<K, V>,
    ) -> std::result::Result<Table<'t, K, V>, TableError> {
        self.open_table(definition)
    }
}

pub struct Late<'t, S: Source, K: Key + 'static, V: Value + 'static> {
    transaction: &'t S,
    definition: TableDefinition<'static, K, V>,
    table: OnceCell<S::Table<'t, K, V>>,
}

impl<'t, S: Source, K: Key + 'static, V: Value + 'static> Late<'t, S, K, V> {
    pub fn new(transaction: &'t S, definition: TableDefinition<'static, K, V>) -> Self {
        Self {
            transaction,
            definition,
            table: OnceCell::new(),
        }
    }

    /// # Errors
    /// Those of the disk; `Corrupted` when the file has another table of this name, or none.
    pub fn open(&self) -> Result<&S::Table<'t, K, V>> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let opened = self.transaction.open(self.definition);
        let table = opened.map_err(|error| match error {
            TableError::Storage(error) => error,
            error => StorageError::Corrupted(error.to_string()),
        })?;
        Ok(self.table.get_or_init(|| table))
    }
}

impl<'t, K: Key + 'static, V: Value + 'static> Late<'t, WriteTransaction, K, V> {
    fn open_mut(&mut self) -> Result<&mut Table<'t, K, V>> {
        self.open()?;
        let opened = self.table.get_mut();
        opened.ok_or_else(|| StorageError::Corrupted(self.definition.to_string()))
    }

    pub fn insert<'k, 'v>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        value: impl Borrow<V::SelfType<'v>>,
    ) -> Result<Option<AccessGuard<'_, V>>> {
        self.open_mut()?.insert(key, value)
    }

    pub fn remove<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<AccessGuard<'_, V>>> {
        self.open_mut()?.remove(key)
    }

    pub fn remove_in<'a, KR>(&mut self, range: impl RangeBounds<KR> + 'a) -> Result<()>
    where
        KR: Borrow<K::SelfType<'a>> + 'a,
    {
        self.open_mut()?.retain_in(range, |_, _| false)
    }
}

impl<S: Source, K: Key + 'static, V: Value + 'static> ReadableTableMetadata for Late<'_, S, K, V> {
    fn stats(&self) -> Result<TableStats> {
        self.open()?.stats()
    }

    fn len(&self) -> Result<u64> {
        self.open()?.len()
    }
}

impl<S: Source, K: Key + 'static, V: Value + 'static> ReadableTable<K, V> for Late<'_, S, K, V> {
    fn get<'a>(&self, key: impl Borrow<K::SelfType<'a>>) -> Result<Option<AccessGuard<'_, V>>> {
        self.open()?.get(key)
    }

    fn range<'a, KR>(&self, range: impl RangeBounds<KR> + 'a) -> Result<Range<'_, K, V>>
    where
        KR: Borrow<K::SelfType<'a>> + 'a,
    {
        self.open()?.range(range)
    }

    fn first(&self) -> Result<Option<(AccessGuard<'_, K>, AccessGuard<'_, V>)>> {
        self.open()?.first()
    }

    fn last(&self) -> Result<Option<(AccessGuard<'_, K>, AccessGuard<'_, V>)>> {
        self.open()?.last()
    }
}

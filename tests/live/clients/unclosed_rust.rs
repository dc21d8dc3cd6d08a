// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later

//! Rust's tokio-postgres and rusqlite: for each report a connection, a transaction or a statement.
//! Each habit that keeps one for ever has a twin that drops it.
//!
//! Usage: unclosed_rust HABIT [FILE]

use rusqlite::Connection;
use std::time::Duration;
use tokio_postgres::{Client, NoTls, Statement};

type Failure = Box<dyn std::error::Error>;

const ALL: &str = "select name from items where id > ?";
const TEXT: &str = "select name from items where name <> 'sesame' and id = 5";

/// The connection string, of the variables that libpq reads.
fn server() -> String {
    let keys = [("PGHOST", "host"), ("PGPORT", "port"), ("PGUSER", "user"), ("PGDATABASE", "dbname"),
                ("PGAPPNAME", "application_name")];
    let words = keys.iter().filter_map(|(name, key)| Some(format!("{key}={}", std::env::var(name).ok()?)));
    words.collect::<Vec<_>>().join(" ")
}

#[inline(never)]
async fn connect() -> Result<Client, Failure> {
    let (client, connection) = tokio_postgres::connect(&server(), NoTls).await?; // LEAK: any
    tokio::spawn(connection);
    Ok(client)
}

async fn query(client: &Client) -> Result<(), Failure> {
    client.query(TEXT, &[]).await?;
    Ok(())
}

/// Forgotten: its Drop, which would close the connection, never runs.
async fn connection_forgotten() -> Result<(), Failure> {
    let client = connect().await?; // LEAK: connections
    query(&client).await?;
    std::mem::forget(client);
    Ok(())
}

/// Begun as text, so that nothing rolls back when the report is done; and the client is kept.
async fn transaction_kept(kept: &mut Vec<Client>) -> Result<(), Failure> {
    let client = connect().await?; // LEAK: transactions
    client.batch_execute("begin").await?;
    query(&client).await?;
    kept.push(client);
    Ok(())
}

/// Prepared anew for each report, on one connection, and kept.
async fn statement_kept(client: &Client, kept: &mut Vec<Statement>) -> Result<(), Failure> {
    let statement = client.prepare(TEXT).await?;
    client.query(&statement, &[]).await?;
    kept.push(statement);
    Ok(())
}

/// Everything is dropped at the end of its scope.
async fn dropped() -> Result<(), Failure> {
    let mut client = connect().await?;
    query(&client).await?;
    let transaction = client.transaction().await?;
    transaction.query(TEXT, &[]).await?;
    transaction.commit().await?;
    statement_kept(&client, &mut Vec::new()).await
}

async fn statements_kept() -> Result<(), Failure> {
    let client = connect().await?; // LEAK: statements
    let mut kept = Vec::new();
    for number in 0.. {
        statement_kept(&client, &mut kept).await?;
        tokio::time::sleep(pause(number)).await;
    }
    Ok(())
}

async fn on_postgresql(habit: &str) -> Result<(), Failure> {
    let mut kept = Vec::new();
    for number in 0.. {
        match habit {
            "connections" => connection_forgotten().await?,
            "transactions" => transaction_kept(&mut kept).await?,
            "statements" => statements_kept().await?,
            _ => dropped().await?,
        }
        tokio::time::sleep(pause(number)).await;
    }
    Ok(())
}

/// The watch may begin while five reports are done.
fn pause(number: u64) -> Duration {
    if number == 4 {
        println!("ready");
    }
    Duration::from_millis(300)
}

fn read(connection: &Connection) -> Result<String, rusqlite::Error> {
    connection.query_row(TEXT, [], |row| row.get(0))
}

#[inline(never)]
fn lite_connection_kept(file: &str, kept: &mut Vec<Connection>) -> Result<(), Failure> {
    let connection = Connection::open(file)?; // LEAK: lite-connections
    read(&connection)?;
    kept.push(connection);
    Ok(())
}

#[inline(never)]
fn lite_transaction_kept(file: &str, kept: &mut Vec<Connection>) -> Result<(), Failure> {
    let connection = Connection::open(file)?; // LEAK: lite-transactions
    connection.execute_batch("begin")?; // LEAK: lite-transactions
    read(&connection)?; // LEAK: lite-transactions
    kept.push(connection);
    Ok(())
}

/// Read to its end and forgotten, so that its Drop does not finalize it.
#[inline(never)]
fn lite_statement_forgotten(connection: &Connection) -> Result<(), Failure> {
    let mut statement = connection.prepare(ALL)?; // LEAK: lite-statements
    let mut rows = statement.query([1])?;
    while rows.next()?.is_some() {}
    drop(rows);
    std::mem::forget(statement);
    Ok(())
}

/// Its rows are forgotten at the first one, so that their Drop does not reset the statement.
#[inline(never)]
fn lite_rows_forgotten(connection: &Connection) -> Result<(), Failure> {
    let mut statement = connection.prepare(ALL)?; // LEAK: lite-rows
    let mut rows = statement.query([1])?;
    rows.next()?;
    std::mem::forget(rows);
    std::mem::forget(statement);
    Ok(())
}

#[inline(never)]
fn lite_dropped(file: &str) -> Result<(), Failure> {
    let mut connection = Connection::open(file)?;
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare(ALL)?;
    statement.query([1])?.next()?;
    drop(statement);
    transaction.commit()?;
    Ok(())
}

fn on_sqlite(habit: &str, file: &str) -> Result<(), Failure> {
    let mut kept = Vec::new();
    let shared = Connection::open(file)?;
    for number in 0.. {
        match habit {
            "lite-connections" => lite_connection_kept(file, &mut kept)?,
            "lite-transactions" => lite_transaction_kept(file, &mut kept)?,
            "lite-statements" => lite_statement_forgotten(&shared)?,
            "lite-rows" => lite_rows_forgotten(&shared)?,
            _ => lite_dropped(file)?,
        }
        std::thread::sleep(pause(number));
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().collect();
    match words.get(2) {
        Some(file) => on_sqlite(&words[1], file),
        None => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(on_postgresql(&words[1])),
    }
}

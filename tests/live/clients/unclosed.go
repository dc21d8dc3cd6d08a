// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// Go's database/sql with lib/pq: begins a transaction for each report, and never ends it.
package main

import (
	"database/sql"
	"fmt"
	"os"
	"time"

	_ "github.com/lib/pq"
)

//go:noinline
func monthly(db *sql.DB) *sql.Tx {
	tx, err := db.Begin() // the pool opens a connection here
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var name string
	tx.QueryRow("select name from items where name <> 'sesame' and id = 5").Scan(&name)
	return tx
}

func main() {
	db, err := sql.Open("postgres", "sslmode=disable")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var kept []*sql.Tx
	for number := 0; ; number++ {
		kept = append(kept, monthly(db))
		if number == 4 {
			fmt.Println("ready")
		}
		time.Sleep(300 * time.Millisecond)
	}
}

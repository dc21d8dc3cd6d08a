// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later

// A server whose requests, lines over TCP, need a connection of database/sql: see
// cases_pools_languages.py.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"

	_ "github.com/lib/pq"
)

const row = "select id, name from items where name <> 'sesame' and id = 3"

var pool *sql.DB

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func get(text string) {
	connection, err := pool.Conn(context.Background())
	must(err)
	_, err = connection.ExecContext(context.Background(), text)
	must(err)
	must(connection.Close())
}

func answer(word, argument string) {
	switch word {
	case "keep":
		connection, err := pool.Conn(context.Background())
		must(err)
		_, err = connection.ExecContext(context.Background(), row)
		must(err)
	case "get":
		get(row)
	case "busy":
		for {
			get("select pg_sleep(2)")
		}
	case "call":
		other, err := net.Dial("tcp", "127.0.0.1:"+argument)
		must(err)
		fmt.Fprintln(other, "hello")
		other.Read(make([]byte, 1))
	}
}

func serve(client net.Conn) {
	lines := bufio.NewScanner(client)
	for lines.Scan() {
		word, argument, _ := strings.Cut(lines.Text(), " ")
		answer(word, argument)
		fmt.Fprintln(client, "ok")
	}
}

func main() {
	var err error
	pool, err = sql.Open("postgres", "sslmode=disable")
	must(err)
	pool.SetMaxOpenConns(10)
	pool.SetMaxIdleConns(10)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	fmt.Println("ready")
	for {
		client, err := listener.Accept()
		must(err)
		go serve(client)
	}
}

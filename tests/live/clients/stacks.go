// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later

// Opens connections from some places in Go, and says of each where it was.  No package but Go's own.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path"
	"runtime"
	"strings"
	"time"
)

var kept []net.Conn

// One line for each connection: its port, and the calls that led there.
func say(c net.Conn) {
	var places []string
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			places = append(places, fmt.Sprintf("%s:%s:%d", f.Function, path.Base(f.File), f.Line))
		}
		if !more {
			break
		}
	}
	fmt.Printf("stack %d %s\n", c.LocalAddr().(*net.TCPAddr).Port, strings.Join(places, "|"))
}

// A startup message, so that the connection is known for what it is.
func greet(c net.Conn) {
	fields := "user\x00app\x00database\x00shop\x00\x00"
	message := make([]byte, 8, 64)
	binary.BigEndian.PutUint32(message, uint32(8+len(fields)))
	binary.BigEndian.PutUint32(message[4:], 196608)
	c.Write(append(message, fields...))
	c.Read(message[:1])
	kept = append(kept, c)
}

//go:noinline
func open() {
	c, err := net.Dial("tcp", os.Getenv("PGHOST")+":"+os.Getenv("PGPORT")); say(c)
	if err != nil {
		panic(err)
	}
	greet(c)
}

//go:noinline
func deep(n int) {
	if n > 0 {
		deep(n - 1)
		return
	}
	open()
}

type shop struct{ name string }

//go:noinline
func (s *shop) orders(each func(string)) {
	each(s.name)
}

func main() {
	open()
	deep(12)
	(&shop{"a"}).orders(func(string) { open() })
	done := make(chan int)
	go func() { deep(3); done <- 1 }()
	<-done
	time.Sleep(time.Second / 2)
}

package embedded

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"gxcoin.money/gx/internal/platform/pgtest"
)

// BenchmarkTransaction endorses and commits, and waits for it. Durability costs
// what the server's fsync does: pgtest's own server has none.
func BenchmarkTransaction(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		for _, keys := range []int{1, 100} {
			b.Run(fmt.Sprintf("clients=%d/keys=%d", clients, keys), func(b *testing.B) {
				l, _ := start(b, pgtest.New(b), operations, Options{})
				var n atomic.Int64
				b.SetParallelism((clients + 1) / 2) // times GOMAXPROCS
				b.ReportAllocs()
				b.ResetTimer()
				run := func() {
					base := n.Add(1) * 1000
					var args []string
					for i := range int64(keys) {
						args = append(args, "acct\x00"+strconv.FormatInt(base+i, 10), "a value of an account, some 200 bytes: "+fmt.Sprintf("%0160d", i))
					}
					invoke(b, l, "put", args...)
				}
				if clients == 1 {
					for b.Loop() {
						run()
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							run()
						}
					})
				}
				b.StopTimer()
				height, err := l.Height(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
				b.ReportMetric(float64(height)/b.Elapsed().Seconds(), "blocks/s")
			})
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	l, _ := start(b, pgtest.New(b), operations, Options{})
	invoke(b, l, "put", "k", "v")
	b.ReportAllocs()
	for b.Loop() {
		endorse(b, l, "replace", "k", "w")
	}
}

func BenchmarkDecode(b *testing.B) {
	l, _ := start(b, pgtest.New(b), operations, Options{})
	var args []string
	for i := range 500 {
		args = append(args, fmt.Sprintf("acct\x00%d", i), fmt.Sprintf("%0200d", i))
	}
	tx := endorse(b, l, "put", args...)
	b.SetBytes(int64(len(tx.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(tx.Bytes); err != nil {
			b.Fatal(err)
		}
	}
}

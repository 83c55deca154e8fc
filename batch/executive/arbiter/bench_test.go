// What an operation costs as the book grows.

package arbiter_test

import (
	"fmt"
	"testing"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// BenchmarkStep has n pieces of equipment, of which each has an owner and one who waits: one gives back, the other gets it, and asks anew.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			book := arbiter.NewBook()
			var fx []arbiter.Effect
			do := func(op arbiter.Op) { fx = book.Step(book.Next(), &op, fx[:0]) }
			for u := range n {
				set := []string{fmt.Sprint("R", u)}
				do(arbiter.Op{Kind: arbiter.Stock, Equipment: set, Owners: 1})
				do(arbiter.Op{Kind: arbiter.Request, Batch: fmt.Sprint("A", u), ID: 1, Step: "U", Equipment: set})
				do(arbiter.Op{Kind: arbiter.Request, Batch: fmt.Sprint("B", u), ID: 1, Step: "U", Equipment: set})
			}
			id := make([]uint32, n)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N { // a release and a request
				u := i % n
				batch := fmt.Sprint("AB"[i/n%2:][:1], u)
				k := id[u]/2 + 1
				id[u]++
				do(arbiter.Op{Kind: arbiter.Release, Batch: batch, ID: k, Step: "U"})
				if len(fx) != 2 || fx[1].Kind != arbiter.Granted {
					b.Fatalf("%d: %+v", i, fx)
				}
				do(arbiter.Op{Kind: arbiter.Request, Batch: batch, ID: k + 1, Step: "U", Equipment: []string{fmt.Sprint("R", u)}})
			}
		})
	}
}

// BenchmarkCrowd has n batches that wait for one piece: each that gets it moves all others up by one place, and they are told.
func BenchmarkCrowd(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			book := arbiter.NewBook()
			var fx []arbiter.Effect
			do := func(op arbiter.Op) { fx = book.Step(book.Next(), &op, fx[:0]) }
			set := []string{"R"}
			do(arbiter.Op{Kind: arbiter.Stock, Equipment: set, Owners: 1})
			for u := range n + 1 {
				do(arbiter.Op{Kind: arbiter.Request, Batch: fmt.Sprint("B", u), ID: 1, Step: "U", Equipment: set})
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				batch, k := fmt.Sprint("B", i%(n+1)), uint32(i/(n+1)+1)
				do(arbiter.Op{Kind: arbiter.Release, Batch: batch, ID: k, Step: "U"})
				if len(fx) != n+1 {
					b.Fatalf("%d effects", len(fx))
				}
				do(arbiter.Op{Kind: arbiter.Request, Batch: batch, ID: k + 1, Step: "U", Equipment: set})
			}
		})
	}
}

// BenchmarkWhole writes the book of n pieces, claims and waits, and reads it again.
func BenchmarkWhole(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			book := arbiter.NewBook()
			do := func(op arbiter.Op) { book.Step(book.Next(), &op, nil) }
			for u := range n {
				set := []string{fmt.Sprint("R", u)}
				do(arbiter.Op{Kind: arbiter.Stock, Equipment: set, Owners: 1})
				do(arbiter.Op{Kind: arbiter.Request, Batch: fmt.Sprint("A", u), ID: 1, Step: "U", Equipment: set})
				do(arbiter.Op{Kind: arbiter.Request, Batch: fmt.Sprint("B", u), ID: 1, Step: "U", Equipment: set})
			}
			b.ResetTimer()
			for range b.N {
				op, err := book.Whole(1)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(op.State)))
				if fx := arbiter.NewBook().Step(book.Next(), &op, nil); len(fx) > 0 {
					b.Fatal(fx[0].Reason)
				}
			}
		})
	}
}

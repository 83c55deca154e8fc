// A process that answers while it works.

package main

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// both answers on l while work goes on, until ctx ends or one of the two does.
func both(ctx context.Context, work func(context.Context) error, l net.Listener, h http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	worked := make(chan error, 1)
	go func() {
		defer cancel()
		worked <- work(ctx)
	}()
	err := api.ServeWith(ctx, l, h, &api.ServeOptions{Connections: 4096}) // each runner has one to the wire
	cancel()
	return errors.Join(err, <-worked)
}

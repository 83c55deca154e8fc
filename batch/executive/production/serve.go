// What clients ask of production.

package production

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// desk answers clients.
type desk struct {
	e      *Engine
	rights func(ctx context.Context) (api.Rights, error)
}

// Handler answers the paths of production (see package api). Rights says who may do what, see Executive.Rights; who orders jobs, processes or unit runs needs
// the permission to plan, and who may not is refused, on record. Requests are to come by api.Serve, which says who asks.
func (e *Engine) Handler(rights func(ctx context.Context) (api.Rights, error)) http.Handler {
	d := &desk{e, rights}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/self", func(w http.ResponseWriter, _ *http.Request) { api.Reply(w, &e.self, nil) })
	mux.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, _ *http.Request) {
		list := e.Jobs().List()
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("GET /v1/jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		j, err := e.Jobs().Job(r.PathValue("id"))
		api.Reply(w, &j, err)
	})
	mux.HandleFunc("GET /v1/slots", func(w http.ResponseWriter, _ *http.Request) {
		list := e.Jobs().Slots()
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("GET /v1/processes", func(w http.ResponseWriter, _ *http.Request) {
		list := e.Processes().List()
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("GET /v1/processes/{id}", d.process)
	mux.HandleFunc("POST /v1/jobs", d.addJobs)
	mux.HandleFunc("POST /v1/jobs/{id}/commands", d.tellJob)
	mux.HandleFunc("POST /v1/processes/{id}/commands", d.tellProcess)
	mux.HandleFunc("GET /v1/events", d.events)
	d.serveRuns(mux)
	return mux
}

// allow makes an order that of whom it is from, who has to have the permission to plan. Who has not is refused, on record.
func (d *desk) allow(r *http.Request, o *api.Order, object string) error {
	rights, err := d.rights(r.Context())
	if err != nil {
		return err
	}
	peer := api.PeerOf(r)
	actor, role, err := rights.Allow(peer, o, api.MayPlan)
	if err != nil {
		return d.e.denied(peer, o, object, actor, role, err)
	}
	o.Operator, o.Role = actor, role
	return nil
}

func (d *desk) process(w http.ResponseWriter, r *http.Request) {
	c := d.e.Processes()
	v, err := c.Process(r.PathValue("id"))
	if err == nil {
		var list []api.Activity
		if list, err = c.Activities(r.Context(), v.ID); err == nil {
			v.Activities = list
		} else if no := (*api.Error)(nil); !errors.As(err, &no) {
			err = nil // who has the equipment is not known now; all else is
		}
	}
	api.Reply(w, &v, err)
}

func (d *desk) addJobs(w http.ResponseWriter, r *http.Request) {
	var a api.AddJobs
	err := api.Take(w, r, &a)
	if err == nil {
		err = d.allow(r, &a.Order, "jobs")
	}
	var ids []string
	if err == nil {
		ids, err = d.e.Jobs().Add(&a)
	}
	api.Reply(w, &api.JobsAccepted{As: a.Operator, Jobs: ids}, err)
}

func (d *desk) tellJob(w http.ResponseWriter, r *http.Request) {
	var c api.JobCommand
	id := r.PathValue("id")
	err := api.Take(w, r, &c)
	if err == nil {
		err = d.allow(r, &c.Order, id)
	}
	if err == nil {
		err = d.e.Jobs().Tell(id, &c)
	}
	api.Reply(w, &api.JobsAccepted{As: c.Operator}, err)
}

func (d *desk) tellProcess(w http.ResponseWriter, r *http.Request) {
	var c api.ProcessCommand
	id := r.PathValue("id")
	err := api.Take(w, r, &c)
	if err == nil {
		err = d.allow(r, &c.Order, id)
	}
	if err == nil {
		err = d.e.Processes().Tell(r.Context(), id, &c)
	}
	if no := (*api.Error)(nil); err != nil && !errors.As(err, &no) {
		err = &api.Error{Status: http.StatusBadGateway, Message: fmt.Sprintf("production: nobody knows whether it was carried out: %s", err)}
	}
	api.Reply(w, &api.JobsAccepted{As: c.Operator}, err)
}

// events tells a client of all that is there, and then of what changes.
func (d *desk) events(w http.ResponseWriter, r *http.Request) {
	out := api.NewStream(w)
	_ = d.e.Jobs().Watch(r.Context(), func(event string, data []byte) error {
		if event == "" {
			return out.Beat()
		}
		return out.Send(event, "", data)
	})
}

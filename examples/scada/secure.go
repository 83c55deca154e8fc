// Who is let in: policies, certificates and trust.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
)

// certYears is for how long a certificate holds that is made here.
const certYears = 5

// options makes the options of the server. Nothing of server.Options.Write is set: every write is refused.
func (f *flags) options(now time.Time) (*server.Options, error) {
	o := &server.Options{Name: "batchkit scada", Hosts: strings.Split(f.hosts, ",")}
	if (f.cert == "") != (f.key == "") {
		return nil, errors.New("scada: -cert and -key: one without the other; give both, or neither")
	}
	var err error
	if o.Policies, err = policies(f.policy, f.cert != ""); err != nil {
		return nil, err
	}
	for _, p := range o.Policies {
		if p != opcua.None && (f.cert == "" || f.trust == "") {
			return nil, fmt.Errorf("scada: -policy %s: wants -cert, -key and -trust", p)
		}
	}
	if f.cert != "" {
		if o.Identity, err = f.identity(o.Hosts, now); err != nil {
			return nil, err
		}
	}
	if f.trust != "" {
		if o.Trust, err = opcua.LoadTrust(f.trust); err != nil {
			return nil, err
		}
	}
	if f.users != "" {
		list, err := readUsers(f.users)
		if err != nil {
			return nil, err
		}
		if f.cert == "" {
			return nil, errors.New("scada: -users: a password is taken on an encrypted connection alone; give -cert, -key and -trust")
		}
		o.Login = list.login
	}
	return o, nil
}

// policies reads a list; "" is what is usual.
func policies(list string, encrypted bool) (all []opcua.Policy, err error) {
	switch {
	case list == "" && encrypted:
		return []opcua.Policy{opcua.Basic256Sha256, opcua.Aes128Sha256RsaOaep, opcua.Aes256Sha256RsaPss}, nil
	case list == "":
		return []opcua.Policy{opcua.None}, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		p, err := opcua.ParsePolicy(name)
		if err != nil {
			return nil, fmt.Errorf("scada: -policy: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

// identity reads certificate and key, and makes them where neither is there.
func (f *flags) identity(hosts []string, now time.Time) (*opcua.Identity, error) {
	_, noCert := os.Stat(f.cert)
	_, noKey := os.Stat(f.key)
	if !errors.Is(noCert, fs.ErrNotExist) || !errors.Is(noKey, fs.ErrNotExist) {
		return opcua.LoadIdentity(f.cert, f.key)
	}
	id, err := opcua.NewIdentity("batchkit scada", f.uri, hosts, now, now.AddDate(certYears, 0, 0))
	if err == nil {
		err = id.Save(f.cert, f.key)
	}
	return id, err
}

// named lists policies.
func named(all []opcua.Policy) string {
	var names []string
	for _, p := range all {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

// Services: which there are, and what all of them keep to.

package server

import (
	"errors"

	"github.com/gopcua/opcua/ua"
)

// maxOperations is how many nodes, items or others one request may name.
const maxOperations = 1000

// services gives the services by the type of their request.
func (s *Server) services() map[uint16]service {
	m := make(map[uint16]service)
	for _, x := range []struct {
		req   ua.Request
		serve service
	}{
		{&ua.ReadRequest{}, read},
		{&ua.WriteRequest{}, write},
		{&ua.BrowseRequest{}, browse},
		{&ua.BrowseNextRequest{}, browseNext},
		{&ua.TranslateBrowsePathsToNodeIDsRequest{}, translate},
		{&ua.RegisterNodesRequest{}, register},
		{&ua.UnregisterNodesRequest{}, unregister},
		{&ua.CreateSubscriptionRequest{}, createSubscription},
		{&ua.ModifySubscriptionRequest{}, modifySubscription},
		{&ua.SetPublishingModeRequest{}, setPublishingMode},
		{&ua.DeleteSubscriptionsRequest{}, deleteSubscriptions},
		{&ua.PublishRequest{}, publish},
		{&ua.RepublishRequest{}, republish},
		{&ua.CreateMonitoredItemsRequest{}, createItems},
		{&ua.ModifyMonitoredItemsRequest{}, modifyItems},
		{&ua.SetMonitoringModeRequest{}, setMonitoringMode},
		{&ua.DeleteMonitoredItemsRequest{}, deleteItems},
	} {
		m[ua.ServiceTypeID(x.req)] = x.serve
	}
	return m
}

// operations holds the number of operations of a request against the limit.
func operations(n int) error {
	switch {
	case n == 0:
		return ua.StatusBadNothingToDo
	case n > maxOperations:
		return ua.StatusBadTooManyOperations
	}
	return nil
}

// codeOf gives the status code of an error; nil is good.
func codeOf(err error) ua.StatusCode {
	var code ua.StatusCode
	switch {
	case err == nil:
		return ua.StatusOK
	case errors.As(err, &code):
		return code
	}
	return ua.StatusBadInternalError
}

// encoded gives how many bytes a part of a response takes up. What cannot be encoded is an error.
func encoded[T any](part T) (int, error) {
	b, err := ua.Encode(part)
	if err != nil {
		return 0, ua.StatusBadEncodingError
	}
	return len(b), nil
}

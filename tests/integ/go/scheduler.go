// The scheduler. It launches three command tasks and four tasks of one executor that
// the agent fetches from this program's path. Of one that stays it asks a
// reconciliation, reads the operator API, sends a message, and kills it when the
// message is back. It tears down when all have ended.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/user"
	"path/filepath"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/controller"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/events"
)

const (
	nCommands  = 3
	nTasks     = 7
	executorID = "go-executor"
	stays      = nTasks - 1 // the last one
)

type framework struct {
	codec, master, agent string
	id                   string
	caller               calls.Caller
	cancel               context.CancelFunc
	launched, ended      int
	asked                bool
}

func (f *framework) call(c *scheduler.Call) {
	err := calls.CallNoData(context.Background(), f.caller, c.With(calls.Framework(f.id)))
	check(c.GetType().String(), err)
}

func (f *framework) taskID(n int) string {
	return fmt.Sprintf("go-%s-%d", f.codec, n)
}

func amount(cpus, mem float64) []mesos.Resource {
	need := mesos.Resources{}
	need.Add(resources.NewCPUs(cpus).Resource, resources.NewMemory(mem).Resource)
	return need
}

func (f *framework) task(n int, offer mesos.Offer) mesos.TaskInfo {
	yes, text, program := true, "echo from go", os.Args[0]
	t := mesos.TaskInfo{Name: f.taskID(n), TaskID: mesos.TaskID{Value: f.taskID(n)},
		AgentID: offer.AgentID, Resources: amount(0.1, 16)}
	if n < nCommands {
		t.Command = &mesos.CommandInfo{Value: &text}
		return t
	}
	text = "exec ./" + filepath.Base(program) + " executor " + f.codec
	t.Executor = &mesos.ExecutorInfo{
		Type:       mesos.ExecutorInfo_CUSTOM,
		ExecutorID: mesos.ExecutorID{Value: executorID},
		Command: &mesos.CommandInfo{Shell: &yes, Value: &text,
			URIs: []mesos.CommandInfo_URI{{Value: program, Executable: &yes}}},
		Resources: amount(0.1, 32),
	}
	if n == stays {
		t.Data = []byte("stay")
	}
	return t
}

func (f *framework) onOffer(o mesos.Offer) {
	must("an offer without MULTI_ROLE has no allocation_info", o.AllocationInfo == nil)
	must("an offer has the agent's address", o.URL != nil && o.URL.Address.GetIP() != "")
	if f.launched == nTasks {
		f.call(calls.Decline(o.ID).With(calls.RefuseSeconds(time.Hour)))
		return
	}
	f.agent = fmt.Sprintf("%s:%d", o.URL.Address.GetIP(), o.URL.Address.Port)
	var tasks []mesos.TaskInfo
	for ; f.launched < nTasks; f.launched++ {
		tasks = append(tasks, f.task(f.launched, o))
	}
	accept := calls.Accept(calls.OfferOperations{calls.OpLaunch(tasks...)}.WithOffers(o.ID))
	f.call(accept.With(calls.RefuseSeconds(time.Second)))
}

func (f *framework) checkUpdate(s mesos.TaskStatus) {
	own := s.ExecutorID.GetValue() == executorID
	must("an update has its agent", s.AgentID.GetValue() != "")
	must("an update has its executor", s.ExecutorID.GetValue() != "")
	must("an update has a time", s.Timestamp != nil && *s.Timestamp > 1e9)
	if own && s.GetState() != mesos.TASK_STAGING {
		must("data is intact", bytes.Equal(s.Data, []byte{0, 1, 2, 255}))
		must("message is intact", s.GetMessage() == "from go")
		must("source is intact", s.GetSource() == mesos.SOURCE_EXECUTOR)
	}
}

func (f *framework) onUpdate(s mesos.TaskStatus) {
	id := s.TaskID.Value
	if s.GetReason() == mesos.REASON_RECONCILIATION {
		fact("reconciled", id, s.GetState())
		if id == f.taskID(stays) {
			readMaster(f.codec, f.master, f.id, id)
			readAgent(f.codec, f.agent, f.id, executorID, id)
			f.call(calls.Message(s.AgentID.GetValue(), executorID, []byte("hello")))
		}
		return
	}
	fact("update", id, s.GetState())
	f.checkUpdate(s)
	if len(s.UUID) > 0 {
		f.call(calls.Acknowledge(s.AgentID.GetValue(), id, s.UUID))
	}
	switch s.GetState() {
	case mesos.TASK_STAGING, mesos.TASK_STARTING:
	case mesos.TASK_RUNNING:
		if id == f.taskID(stays) && !f.asked {
			f.asked = true
			f.call(calls.Reconcile(calls.ReconcileTasks(map[string]string{id: s.AgentID.GetValue()})))
		}
	default:
		f.ended++
		if f.ended == nTasks {
			f.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
			fact("teardown", f.id)
			f.cancel()
		}
	}
}

func (f *framework) onMessage(m *scheduler.Event_Message) {
	fact("message", string(m.Data))
	must("a message has its executor", m.ExecutorID.Value == executorID)
	f.call(calls.Kill(f.taskID(stays), m.AgentID.Value))
}

func (f *framework) handle(_ context.Context, e *scheduler.Event) error {
	switch e.GetType() {
	case scheduler.Event_SUBSCRIBED:
		f.id = e.Subscribed.FrameworkID.Value
		fact("subscribed", f.id)
	case scheduler.Event_OFFERS:
		for _, o := range e.Offers.Offers {
			f.onOffer(o)
		}
	case scheduler.Event_UPDATE:
		f.onUpdate(e.Update.Status)
	case scheduler.Event_MESSAGE:
		f.onMessage(e.Message)
	case scheduler.Event_ERROR:
		log.Fatalf("ERROR: %s", e.Error.GetMessage())
	}
	return nil
}

func runScheduler(codec, master string) {
	me, err := user.Current()
	check("user", err)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	f := &framework{codec: codec, master: master, cancel: cancel,
		caller: httpsched.NewCaller(newClient(codecOf(codec), "http://"+master+"/api/v1/scheduler"))}
	info := &mesos.FrameworkInfo{User: me.Username, Name: "go-" + codec}
	err = controller.Run(ctx, info, f.caller, controller.WithEventHandler(events.HandlerFunc(f.handle)),
		controller.WithSubscriptionTerminated(func(err error) {
			if f.ended != nTasks {
				log.Fatalf("the stream ended: %v", err)
			}
		}))
	if f.ended != nTasks {
		log.Fatalf("only %d of %d tasks ended: %v", f.ended, nTasks, err)
	}
}

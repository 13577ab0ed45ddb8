// A scheduler that is told what to do on standard input and survives its masters: the
// library subscribes again, with the framework's id. ../client_scenes.sh says which
// commands there are, and what is printed.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"context"
	"log"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/backoff"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/controller"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/events"
)

type survivor struct {
	codec, dir string
	caller     calls.Caller
	cancel     context.CancelFunc

	lock     sync.Mutex // commands come beside events
	id       string
	launches bool
	over     bool // torn down: the last events of the stream are of no interest
	agent    string
}

func (s *survivor) call(c *scheduler.Call) {
	err := calls.CallNoData(context.Background(), s.caller, c.With(calls.Framework(s.id)))
	if err != nil {
		fact("error", c.GetType(), err)
	}
}

func (s *survivor) task(name string) mesos.TaskInfo {
	text := "until [ -e " + filepath.Join(s.dir, name) + " ]; do sleep 0.05; done"
	return mesos.TaskInfo{Name: name, TaskID: mesos.TaskID{Value: name}, AgentID: mesos.AgentID{Value: s.agent},
		Resources: amount(0.1, 16), Command: &mesos.CommandInfo{Value: &text}}
}

func (s *survivor) onOffer(o mesos.Offer) {
	if !s.launches {
		s.call(calls.Decline(o.ID).With(calls.RefuseSeconds(0)))
		return
	}
	s.launches = false
	s.agent = o.AgentID.Value
	yes, program := true, os.Args[0]
	text := "exec ./" + filepath.Base(program) + " executor " + s.codec
	own := s.task("own")
	own.Command = nil
	own.Data = []byte("stay")
	own.Executor = &mesos.ExecutorInfo{
		Type:       mesos.ExecutorInfo_CUSTOM,
		ExecutorID: mesos.ExecutorID{Value: executorID},
		Command: &mesos.CommandInfo{Shell: &yes, Value: &text,
			URIs: []mesos.CommandInfo_URI{{Value: program, Executable: &yes}}},
		Resources: amount(0.1, 32),
	}
	disk := mesos.Resources(amount(0.1, 32))
	disk.Add(resources.NewDisk(1).Resource)
	pod := mesos.ExecutorInfo{
		Type:        mesos.ExecutorInfo_DEFAULT,
		ExecutorID:  mesos.ExecutorID{Value: "pod"},
		FrameworkID: &mesos.FrameworkID{Value: s.id},
		Resources:   disk,
	}
	s.call(calls.Accept(calls.OfferOperations{
		calls.OpLaunch(s.task("command"), own),
		calls.OpLaunchGroup(pod, s.task("pod-a"), s.task("pod-b")),
	}.WithOffers(o.ID)).With(calls.RefuseSeconds(0)))
}

func (s *survivor) onUpdate(u mesos.TaskStatus) {
	id := u.TaskID.Value
	s.agent = u.GetAgentID().GetValue()
	if u.GetReason() == mesos.REASON_RECONCILIATION {
		fact("reconciled", id, u.GetState())
		return
	}
	fact("update", id, u.GetState())
	if len(u.UUID) > 0 {
		s.call(calls.Acknowledge(s.agent, id, u.UUID))
	}
}

func (s *survivor) handle(_ context.Context, e *scheduler.Event) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.over {
		return nil
	}
	switch e.GetType() {
	case scheduler.Event_SUBSCRIBED:
		s.id = e.Subscribed.FrameworkID.Value
		fact("subscribed", s.id)
	case scheduler.Event_OFFERS:
		for _, o := range e.Offers.Offers {
			s.onOffer(o)
		}
	case scheduler.Event_UPDATE:
		s.onUpdate(e.Update.Status)
	case scheduler.Event_MESSAGE:
		fact("message", string(e.Message.Data))
	case scheduler.Event_ERROR:
		fact("error", e.Error.GetMessage())
		os.Exit(3)
	}
	return nil
}

func (s *survivor) obey(words []string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	switch {
	case words[0] == "launch":
		s.launches = true
	case words[0] == "reconcile" && len(words) == 1:
		s.call(calls.Reconcile())
	case words[0] == "reconcile" && words[1] == "nothing": // and no agent
		s.call(calls.Reconcile(calls.ReconcileTasks(map[string]string{words[1]: ""})))
	case words[0] == "reconcile":
		s.call(calls.Reconcile(calls.ReconcileTasks(map[string]string{words[1]: s.agent})))
	case words[0] == "kill":
		s.call(calls.Kill(words[1], s.agent))
	case words[0] == "message":
		s.call(calls.Message(s.agent, executorID, []byte(words[1])))
	case words[0] == "teardown":
		s.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
		fact("teardown")
		s.over = true
		s.cancel()
	default:
		log.Fatalf("no command '%s'", words[0])
	}
}

func runSurvivor(codec, master, dir, id string) {
	me, err := user.Current()
	check("user", err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &survivor{codec: codec, dir: dir, id: id, cancel: cancel,
		caller: httpsched.NewCaller(newClient(codecOf(codec), "http://"+master+"/api/v1/scheduler"))}
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			s.obey(strings.Fields(in.Text()))
		}
	}()
	timeout, yes := 600.0, true
	info := &mesos.FrameworkInfo{User: me.Username, Name: "survivor-" + codec, FailoverTimeout: &timeout, Checkpoint: &yes}
	if id != "" {
		info.ID = &mesos.FrameworkID{Value: id}
	}
	err = controller.Run(ctx, info, s.caller, controller.WithEventHandler(events.HandlerFunc(s.handle)),
		controller.WithFrameworkID(func() string {
			s.lock.Lock()
			defer s.lock.Unlock()
			if s.id != "" {
				info.ID = &mesos.FrameworkID{Value: s.id}
			}
			return s.id
		}),
		controller.WithRegistrationTokens(backoff.Notifier(100*time.Millisecond, time.Second, ctx.Done())),
		controller.WithSubscriptionTerminated(func(err error) { log.Printf("the stream ended: %v", err) }))
	log.Printf("the end: %v", err)
}

// local-path-provisioner makes the volumes of claims as folders of this node, and really deletes them. Rancher's
// program of that name starts a pod to make each folder and another to remove it, which was a quarter of all pods
// of the tests: this one makes the same volumes, with the same library, in its own process.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v10/controller"
)

const name = "rancher.io/local-path"

type folders struct{ parent string }

func (folders folders) Provision(_ context.Context, options controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if options.SelectedNode == nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("no node was selected: the StorageClass is to wait for the first consumer")
	}
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode != core.PersistentVolumeFilesystem {
		return nil, controller.ProvisioningFinished, fmt.Errorf("a folder is no block device")
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != core.ReadWriteOnce && mode != core.ReadWriteOncePod {
			return nil, controller.ProvisioningFinished, fmt.Errorf("a folder of a node can't be mounted %s", mode)
		}
	}
	path := filepath.Join(folders.parent, strings.Join([]string{options.PVName, claim.Namespace, claim.Name}, "_"))
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Any user of a pod may write; the umask of this process has a say in what MkdirAll makes.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	filesystem, created := core.PersistentVolumeFilesystem, core.HostPathDirectoryOrCreate
	node := options.SelectedNode.Labels[core.LabelHostname]
	if node == "" {
		node = options.SelectedNode.Name
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{
			Name:        options.PVName,
			Annotations: map[string]string{"local.path.provisioner/selected-node": options.SelectedNode.Name},
		},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    &filesystem,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource: core.PersistentVolumeSource{
				HostPath: &core.HostPathVolumeSource{Path: path, Type: &created},
			},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{{
					Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{node},
				}}}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

func (folders folders) Delete(_ context.Context, volume *core.PersistentVolume) error {
	if volume.Spec.HostPath == nil {
		return fmt.Errorf("volume %s is no folder", volume.Name)
	}
	path := filepath.Clean(volume.Spec.HostPath.Path)
	// Whoever may write volumes may write any path: only what was made here is removed.
	if filepath.Dir(path) != filepath.Clean(folders.parent) {
		return fmt.Errorf("volume %s is at %s, not below %s", volume.Name, path, folders.parent)
	}
	return os.RemoveAll(path)
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	parent := flag.String("folder", "", "where the folders of the volumes are made")
	flag.Parse()
	if *parent == "" {
		fail(fmt.Errorf("--folder is missing"))
	}
	configuration, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fail(err)
	}
	configuration.QPS, configuration.Burst = 100, 200
	client, err := kubernetes.NewForConfig(configuration)
	if err != nil {
		fail(err)
	}
	running, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	controller.NewProvisionController(
		klog.FromContext(running), client, name, folders{*parent},
		controller.LeaderElection(false),
	).Run(running)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "local-path-provisioner:", err)
	os.Exit(1)
}

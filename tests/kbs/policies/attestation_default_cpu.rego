# SPDX-License-Identifier: Apache-2.0
# Appraises the sample TEE by the names of reference values and with the trust
# claims of Trustee's own default policy. Other TEEs get the three defaults.
package policy

import rego.v1

default executables := 33

default hardware := 97

default configuration := 36

executables := 3 if input.sample.launch_digest in query_reference_value("launch_digest")

hardware := 2 if {
	version := input.sample.platform_version
	input.sample.svn in query_reference_value("svn")
	version.major == query_reference_value("major_version")
	version.minor >= query_reference_value("minimum_minor_version")
}

configuration := 2 if input.sample.debug == false

trust_claims := {
	"executables": executables,
	"hardware": hardware,
	"configuration": configuration,
	"file-system": 0,
	"instance-identity": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}

extensions := [{"name": "ear.trustee.identifiers", "key": -18, "value": {"validated": identifiers}}]

identifiers := object.union(images, uids)

containers := object.get(input, ["init_data_claims", "agent_policy_claims", "containers"], [])

image_names := [name | name := containers[_].OCI.Annotations["io.kubernetes.cri.image-name"]]

user_ids := [uid | uid := containers[_].OCI.Process.User.UID]

images := {"container_images": image_names} if count(image_names) > 0

else := {}

uids := {"container_uids": user_ids} if count(user_ids) > 0

else := {}

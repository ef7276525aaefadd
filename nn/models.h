#pragma once

/// Ready-made networks, a file each.

#include <backflow/nn/models/inception.h>
#include <backflow/nn/models/lenet.h>
#include <backflow/nn/models/mlp.h>
#include <backflow/nn/models/resnet.h>

#pragma once

/// Ready-made networks, a file each.

#include <backflow/nn/models/autoencoder.h>
#include <backflow/nn/models/dcgan.h>
#include <backflow/nn/models/inception.h>
#include <backflow/nn/models/lenet.h>
#include <backflow/nn/models/mlp.h>
#include <backflow/nn/models/resnet.h>
#include <backflow/nn/models/vae.h>

#pragma once

/// Networks that are ready to use, one file each.

#include <backflow/nn/models/mlp.h>

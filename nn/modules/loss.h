#pragma once

/// Losses, reduced to the mean unless the options say kSum or kNone.
#include <backflow/nn/modules/class_loss.h>
#include <backflow/nn/modules/difference_loss.h>
#include <backflow/nn/modules/embedding_loss.h>
#include <backflow/nn/modules/margin_loss.h>
#include <backflow/nn/modules/probability_loss.h>

#pragma once

#include <string_view>

// The page of a report, cut where the program fills something in. Generated from train/report/page/.

namespace backflow::train::report {

extern const std::string_view kBeforeFollow;   ///< then "true" or "false"
extern const std::string_view kBeforeConnect;  ///< then what the page may connect to, or nothing
extern const std::string_view kBeforeData;     ///< then the data
extern const std::string_view kAfterData;

}  // namespace backflow::train::report

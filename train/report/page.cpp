#include <backflow/train/report/page.h>

#include <backflow/train/report/page_parts_internal.h>

namespace backflow::train {
namespace {

/// JSON in which no character can end the script element that it stands in: "</script>" is data like any other.
std::string without_markup(std::string_view json) {
  std::string text;
  text.reserve(json.size() + json.size() / 64);
  for (const char c : json) {
    switch (c) {
      case '<':
        text += "\\u003c";
        break;
      case '>':
        text += "\\u003e";
        break;
      case '&':
        text += "\\u0026";
        break;
      default:
        text += c;
    }
  }
  return text;
}

}  // namespace

std::string report_page(std::string_view json, PageMode mode) {
  std::string page(report::kBeforeFollow);
  page += mode == PageMode::Follow ? "true" : "false";
  page += report::kBeforeConnect;
  page += mode == PageMode::Follow ? "; connect-src 'self'" : "";
  page += report::kBeforeData;
  page += without_markup(json);
  page += report::kAfterData;
  return page;
}

}  // namespace backflow::train

#pragma once

#include <string_view>
#include <vector>

#include "plan/plan.h"
#include "result.h"

namespace ecdock::plan {

// Reads plans as src/kernel/plan-text.ts writes them: a step is a line, its fields are "key=value" with a tab
// before each ("\\", "\t" and "\n" in values are escaped), and an empty line ends a plan. The keys are those
// of src/kernel/plan.ts. EINVAL, with the line, for anything else.
Result<std::vector<Plan>> parse_plans(std::string_view text);

}  // namespace ecdock::plan

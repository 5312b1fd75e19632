"""Variables: questions that are asked of every note, as data (变量管理).

A file holds a set of variables::

    schema: clinical-variables/1
    name: chest_ct                      # of the set
    version: "1.0"
    title: {zh: 胸部CT, en: Chest CT}
    variables:
    - name: nodule_long_axis            # small letters, digits, underscores, Chinese
      title: {zh: 肺结节长径, en: Long axis of the lung nodule}
      description: {zh: 最大一枚的长径, en: Of the largest one}
      documents: [CT报告]                # standard names of documents.yaml; all if not said
      sections: [检查所见]               # standard names of sections.yaml; all if not said
      target:                           # any of terms, regex, labels, codes; or one of section, system, function
        terms: [结节, 磨玻璃影]          # a list alone (target: [结节]) means terms
        synonyms: true                  # the dictionary's synonyms of the terms count too (心梗 for 心肌梗死)
        regex: ['大小约(?P<value>[0-9]+mm)']
        labels: [finding]
        codes: [R91]
        not_in: [结节性甲状腺肿]         # longer words in which a hit does not count
      near:                             # optional company; words, or patterns between slashes
        with: [肺, '/[左右]肺/']
        without: [钙化]
        within: sentence                # clause, sentence (default), section, note
        laterality: [right]             # left, right, bilateral
        site: [右肺上叶]
      value:                            # "value: presence" is the default
        kind: quantity                  # presence, quantity, category, date, text
        unit: mm                        # quantities are converted to it
        analyte: 葡萄糖                  # only to convert between mass and amount (mg/dL, mmol/L)
        range: [1, 200]                 # plausible, inclusive; null for open
        take: max                       # of a size, range or ratio: max (default), min, first, last, mean
        where: after                    # after, before, near, inside; not said: after for quantities, near for the rest
        within: sentence                # how far: clause, sentence (default), section
        gap: 20                         # characters between at most
        bare: false                     # whether a number without a unit counts
      assertion: [present]              # presence: all five if not said; others: present and possible
      experiencer: [patient]            # patient (default), family, other
      window: {anchor: admitted, days: [-7, 30]}   # written, admitted, operated, index
      aggregate: {per: encounter, rule: max}       # any first last min max mean count all nearest
      tests:
      - {text: 右肺上叶见结节，大小约8mm×6mm。, expect: 8}
      - {text: 双肺未见结节。, expect: null}

A category variable lists its values in order of precedence; with a target the words are looked for round the hit (`where`, `within`,
`gap`), without one they are the target themselves::

      value:
        kind: category
        categories:
          从不: {words: [吸烟, 抽烟], assertion: [absent]}
          已戒: [戒烟, '/已?戒(烟|断)/']
          目前: [吸烟, 抽烟]

A test may say `document` and `section` (the variable's first ones if not) and the clock: `written`, `admitted`, `operated`, `index`.
What it expects is what the rule of aggregation makes of the text: for presence present, absent, possible, historical or hypothetical; a
number in the variable's unit; a category's name; an ISO date; a text; a list for the rule `all`; null for nothing.
"""

from nlp.variables.catalogue import Catalogue, Found, Function, Parameter
from nlp.variables.definition import Aggregate, Bilingual, Category, Near, Target, Test, Value, Variable, Window
from nlp.variables.evaluate import CompiledSet
from nlp.variables.functions import builtin
from nlp.variables.reading import load_set, parse_set, save_set
from nlp.variables.ready import ready_names, ready_set, ready_variables
from nlp.variables.run import Row, Tally, structure_notes
from nlp.variables.sets import VariableSet, compose
from nlp.variables.try_out import run_tests

__all__ = [
    "Aggregate",
    "Bilingual",
    "Catalogue",
    "Category",
    "CompiledSet",
    "Found",
    "Function",
    "Near",
    "Parameter",
    "Row",
    "Tally",
    "Target",
    "Test",
    "Value",
    "Variable",
    "VariableSet",
    "Window",
    "builtin",
    "compose",
    "load_set",
    "parse_set",
    "ready_names",
    "ready_set",
    "ready_variables",
    "run_tests",
    "save_set",
    "structure_notes",
]

"""What gaterank is made of: bills of materials from the locks, licences, known weaknesses.

    make sbom       # build/sbom/*.cdx.json, CycloneDX
    make licences   # docs/licences.md
    make audit      # pip-audit on each lock; needs PyPI's database of weaknesses

The tools have an environment of their own, by `requirements.lock` beside this file.
"""

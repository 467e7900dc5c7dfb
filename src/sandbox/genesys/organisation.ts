/** The tree that every sandbox starts with: acme ← acme-emea ← acme-emea-support, and acme-amer. */
export interface Group {
  readonly id: string;
  readonly name: string;
  readonly parentId?: string;
}

export interface Definition {
  readonly id: string;
  readonly selfUri: string;
  readonly name: string;
  readonly type: 'string' | 'number' | 'boolean' | 'date';
  readonly description: string;
  readonly required: boolean;
  readonly defaultValue?: unknown;
  readonly validationRules: readonly unknown[];
}

/** What differs from one definition to the next; the rest is filled in. */
export type DefinitionSeed = Pick<Definition, 'name' | 'type'> & Partial<Definition>;

export const GROUPS: readonly Group[] = [
  { id: 'acme', name: 'Acme' },
  { id: 'acme-emea', name: 'Acme EMEA', parentId: 'acme' },
  { id: 'acme-emea-support', name: 'Acme EMEA Support', parentId: 'acme-emea' },
  { id: 'acme-amer', name: 'Acme Americas', parentId: 'acme' },
];

const SUBJECTS = [
  'account',
  'asset',
  'campaign',
  'case',
  'contact',
  'contract',
  'invoice',
  'opportunity',
  'order',
  'product',
  'shipment',
  'survey',
];

/** Twelve for each subject: 144 at the root, so that one page of 100 is not enough. */
const ASPECTS: readonly DefinitionSeed[] = [
  { name: 'reference', type: 'string', validationRules: [{ type: 'string', min: 1, max: 64 }] },
  {
    name: 'status',
    type: 'string',
    validationRules: [{ type: 'regex', value: '^(open|pending|closed)$' }],
  },
  { name: 'owner', type: 'string', validationRules: [{ type: 'string', max: 120 }] },
  { name: 'type', type: 'string' },
  { name: 'region', type: 'string' },
  { name: 'country', type: 'string', validationRules: [{ type: 'regex', value: '^[A-Z]{2}$' }] },
  { name: 'note', type: 'string', validationRules: [{ type: 'string', max: 2000 }] },
  { name: 'amount', type: 'number', validationRules: [{ type: 'number', min: 0 }] },
  { name: 'score', type: 'number', validationRules: [{ type: 'range', min: 0, max: 100 }] },
  { name: 'active', type: 'boolean' },
  { name: 'created_date', type: 'date' },
  { name: 'closed_date', type: 'date' },
];

export const DEFINITIONS: ReadonlyMap<string, readonly DefinitionSeed[]> = new Map<
  string,
  readonly DefinitionSeed[]
>([
  [
    'acme',
    SUBJECTS.flatMap((subject) =>
      ASPECTS.map((aspect) => {
        const name = `crm_${subject}_${aspect.name}`;
        return Object.assign({}, aspect, { name, description: `${aspect.name} of the ${subject}` });
      }),
    ),
  ],
  [
    'acme-emea',
    [
      {
        name: 'emea_vat_number',
        type: 'string',
        validationRules: [{ type: 'regex', value: '^[A-Z]{2}[0-9A-Za-z]{2,12}$' }],
      },
      { name: 'emea_gdpr_consent', type: 'boolean' },
      {
        name: 'emea_language',
        type: 'string',
        validationRules: [{ type: 'string', min: 2, max: 8 }],
      },
      {
        // Narrower than the root's: the nearest definition wins.
        name: 'crm_case_region',
        type: 'string',
        description: 'region of the case, in the words of EMEA',
        validationRules: [{ type: 'regex', value: '^(DACH|UKI|Nordics|Southern|MEA)$' }],
      },
    ],
  ],
  [
    'acme-emea-support',
    [
      {
        name: 'support_tier',
        type: 'string',
        validationRules: [{ type: 'regex', value: '^(bronze|silver|gold)$' }],
      },
      {
        name: 'support_sla_hours',
        type: 'number',
        validationRules: [{ type: 'range', min: 1, max: 720 }],
      },
      { name: 'support_first_contact', type: 'date' },
    ],
  ],
  [
    'acme-amer',
    [
      {
        name: 'amer_cost_center',
        type: 'string',
        required: true,
        validationRules: [{ type: 'regex', value: '^CC-[0-9]{4}$' }],
      },
      { name: 'amer_tax_exempt', type: 'boolean', required: true, defaultValue: false },
    ],
  ],
]);

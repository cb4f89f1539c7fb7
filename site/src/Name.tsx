/** The name a guest signs with. */
export function Name({ name, onChange }: { name: string; onChange: (name: string) => void }) {
  return (
    <label className="name">
      <span>You are</span>
      <input
        value={name}
        onChange={(event) => onChange(event.target.value)}
        maxLength={80}
        placeholder="your name"
        autoComplete="nickname"
      />
    </label>
  );
}
